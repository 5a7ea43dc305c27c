"""Findings 5 and 6: what happens within a model, over its layers and during its training."""

from typing import Final

import polars as pl

from pid_lvlm.analysis.exhibits.finding import NotEnoughError, Stated, change, listed, medians, signs
from pid_lvlm.analysis.frames.checkpoints import in_training_order, is_checkpoint
from pid_lvlm.analysis.frames.labels import SYMBOLS
from pid_lvlm.analysis.frames.onset import NOT_ENOUGH, NOT_REACHED, onsets_of
from pid_lvlm.analysis.frames.over_models.models import NEXT_TO_NOTHING, by_model, one_setting
from pid_lvlm.analysis.frames.reshape import final_checkpoint, final_layer, reported
from pid_lvlm.analysis.statistics import sign_test
from pid_lvlm.data.command.shown import count
from pid_lvlm.data.names import ATOMS

EMERGED: Final = 0.5
"""S has emerged once it reaches this share of its maximum over the layers."""

_SIGNS: Final = "medians over models, each over its datasets; exact two-sided sign test over models, if there are two"


def layer_phases(results: pl.DataFrame, estimator: str) -> Stated:
    """Finding 5: where S emerges and peaks, and how the last block changes S and U2."""
    phases = medians(
        _phases(_layers(results, estimator)), "model", ("emerges", "peaks", "last_synergy", "last_language")
    )
    emerging = phases.drop_nulls("emerges")
    if emerging.is_empty():
        raise NotEnoughError(
            f"a model needs several layers and a layer with {NEXT_TO_NOTHING:g} bits of S; `pid-extract --layers all` "
            "records all layers."
        )
    where = (
        f"S reaches half of its maximum at {_median(emerging, 'emerges'):.0f} % of the depth and peaks at "
        f"{_median(emerging, 'peaks'):.0f} %"
    )
    return Stated(f"{where}; {_last_block(phases)}.", _SIGNS, count(emerging.height, "model"))


def _layers(results: pl.DataFrame, estimator: str) -> pl.DataFrame:
    """Rows of final checkpoints measured at several layers, each layer once per model and dataset."""
    final = final_checkpoint(by_model(results))
    swept = final.filter(pl.col("layer").n_unique().over("run", "estimator", "tau", "pooling") > 1)
    once = one_setting(swept, estimator).unique(["model", "dataset", "layer"], keep="first", maintain_order=True)
    return in_training_order(reported(once)).with_columns(pl.col("synergy", "unique_language").cast(pl.Float64))


def _phases(layers: pl.DataFrame) -> pl.DataFrame:
    """For each model and dataset: depth in % where S emerges and peaks, and the last block's changes in bits.

    Depths are empty if S stays next to nothing, changes if the last two blocks were not both measured.
    """
    synergy, language, layer = pl.col("synergy"), pl.col("unique_language"), pl.col("layer")
    depth = 100 * layer / pl.col("num_layers")
    known = synergy.max() >= NEXT_TO_NOTHING
    last, before = layer == pl.col("num_layers"), layer == pl.col("num_layers") - 1
    return layers.group_by("model", "dataset", maintain_order=True).agg(
        pl.when(known).then(depth.filter(synergy >= EMERGED * synergy.max()).min()).alias("emerges"),
        pl.when(known).then(depth.filter(synergy == synergy.max()).min()).alias("peaks"),
        (synergy.filter(last).first() - synergy.filter(before).first()).alias("last_synergy"),
        (language.filter(last).first() - language.filter(before).first()).alias("last_language"),
    )


def _last_block(phases: pl.DataFrame) -> str:
    known = phases.drop_nulls(["last_synergy", "last_language"])
    if known.is_empty():
        return "the effect of the last block is unknown, because no model was measured at both of its last two blocks"
    synergy, language = (sign_test(known[name].to_list()) for name in ("last_synergy", "last_language"))
    return (
        f"the last block changes S by {change(_median(known, 'last_synergy'))} bits (up in {synergy.above} of "
        f"{count(known.height, 'model')}{signs(synergy)}) and U2 by {change(_median(known, 'last_language'))} (down in "
        f"{language.below} of {known.height}{signs(language)})"
    )


def training_stages(results: pl.DataFrame, estimator: str) -> Stated:
    """Finding 6: how much each atom grows in each training stage, and in which stage S has its onset."""
    rows = _checkpoints(results, estimator)
    growth = _growth(in_training_order(reported(rows)))
    stages = growth["stage"].unique(maintain_order=True).to_list()
    if growth.filter(pl.col("stage").n_unique().over("model") > 1).is_empty():
        raise NotEnoughError(
            "a model needs checkpoints of two training stages, two of them in the first (columns `stage` and `step`)."
        )
    of_stages = [medians(growth.filter(pl.col("stage") == stage), "model", ATOMS) for stage in stages]
    parts = [f"in {stage}: {_grown(of_models)}" for stage, of_models in zip(stages, of_stages, strict=True)]
    most = [_most_grown(row) for row in of_stages[-1].sort("model").to_dicts()]
    return Stated(
        f"change of the atoms in bits {'; '.join(parts)}; the atom that grows most in {stages[-1]} is {listed(most)}"
        f"{_onsets(rows, stages)}.",
        f"{_SIGNS}; a stage counts from the end of the previous one, the first from its first checkpoint; onset: the "
        f"first checkpoint from which S has {NEXT_TO_NOTHING:g} bits and a 95 % interval over items above 0",
        count(growth["model"].n_unique(), "model"),
    )


def _onsets(rows: pl.DataFrame, stages: list[str]) -> str:
    """How many models and datasets have the onset of S in each stage; empty if unknown for all."""
    found = onsets_of(rows).filter((pl.col("atom") == "synergy") & (pl.col("verdict") != NOT_ENOUGH))
    if found.is_empty():
        return ""
    parts = [f"{number} in {stage}" for stage in stages if (number := found.filter(pl.col("stage") == stage).height)]
    never = found.filter(pl.col("verdict") == NOT_REACHED).height
    parts += [f"{never} not by the last checkpoint"] if never else []
    return f"; onset of S, in {count(found.height, 'pair')} of model and dataset: {', '.join(parts)}"


def _checkpoints(results: pl.DataFrame, estimator: str) -> pl.DataFrame:
    """Rows of checkpoints, each once per model and dataset; failed fits included."""
    rows = final_layer(by_model(results)).filter(is_checkpoint() & pl.col("stage").is_not_null())
    place = ["model", "dataset", "stage", "step"]
    return one_setting(rows, estimator).unique(place, keep="first", maintain_order=True)


def _growth(checkpoints: pl.DataFrame) -> pl.DataFrame:
    """For each model, dataset and stage, the change of each atom in bits since the end of the previous stage.

    The first stage counts from its first checkpoint, and is left out if it has only one.
    """
    place = ["model", "dataset"]
    ends = checkpoints.group_by(*place, "stage", maintain_order=True).agg(
        pl.len().alias("points"),
        *(pl.col(atom).cast(pl.Float64).last() for atom in ATOMS),
        *(pl.col(atom).cast(pl.Float64).first().alias(f"first_{atom}") for atom in ATOMS),
    )
    opens = pl.int_range(pl.len()).over(place) == 0
    grown = ends.with_columns(
        pl.when(opens)
        .then(pl.col(atom) - pl.col(f"first_{atom}"))
        .otherwise(pl.col(atom) - pl.col(atom).shift().over(place))
        for atom in ATOMS
    )
    return grown.filter(~opens | (pl.col("points") > 1)).select(*place, "stage", *ATOMS)


def _grown(of_models: pl.DataFrame) -> str:
    parts = []
    for atom in reversed(ATOMS):
        values = of_models[atom].drop_nulls()
        if values.is_empty():
            parts.append(f"{SYMBOLS[atom]} unknown")
            continue
        found = sign_test(values.to_list())
        parts.append(
            f"{SYMBOLS[atom]} {change(_median(of_models, atom))} (up in {found.above} of {len(values)}{signs(found)})"
        )
    return ", ".join(parts)


def _most_grown(row: dict[str, float | str | None]) -> str:
    known = {atom: value for atom in ATOMS if isinstance(value := row[atom], float)}
    return (
        f"{SYMBOLS[max(known, key=lambda atom: known[atom])]} for {row['model']}"
        if known
        else f"unknown for {row['model']}"
    )


def _median(frame: pl.DataFrame, column: str) -> float:
    value = frame[column].median()
    if not isinstance(value, float):
        raise NotEnoughError(f"no model has a number for {column}.")
    return value
