"""The reshaping that figures and tables share: series, final checkpoint, final layer, long form."""

from typing import Final

import polars as pl

from pid_lvlm.analysis.frames.checkpoints import STAGE_RANK, is_checkpoint
from pid_lvlm.analysis.frames.estimators import one_estimator
from pid_lvlm.analysis.frames.given import SERIES, given, having
from pid_lvlm.analysis.frames.labels import LEGEND, SYMBOLS
from pid_lvlm.analysis.frames.load import successful
from pid_lvlm.analysis.frames.memory import remembered
from pid_lvlm.analysis.frames.probes import one_ablation
from pid_lvlm.data.contract.table.results import EXACT, JOINT_KNOWS_LESS
from pid_lvlm.data.names import ATOMS

SETTINGS: Final = ("preset", "estimator", "tau", "pooling", "marginals", "strata")
"""Settings that distinguish series of one model; those that vary in a table become part of the series name."""

_PLACE: Final = (SERIES, "dataset", "stage", "step")
_NAMED_BY: Final = ("model", "run", "recipe", "layer", "dataset", "stage", "step")
"""What a series name can depend on in addition to the settings."""
_ATOM_VALUES: Final = {
    "{}": "estimate",
    "{}_raw": "raw",
    "{}_low": "low",
    "{}_high": "high",
    "{}_sd": "sd",
    "{}_share": "share",
    "{}_certified_low": "certified_low",
    "{}_certified_high": "certified_high",
    "{}_corrected": "corrected",
    "true_{}": "ground_truth",
}


def with_series(results: pl.DataFrame) -> pl.DataFrame:
    """Add the column `series`, the name of a row in a figure: the model and the settings that vary in the table.

    Only rows under one ablation (`one_ablation`) are kept.

    If several runs have the same checkpoint, the first keeps this name and the others add their run's name; if the run
    is also the same, later recipes add a number.

    Raises:
        ResultTableError: the frame lacks a column that a name depends on.
    """
    results = one_ablation(having(results, (*_NAMED_BY, *SETTINGS)))
    # A setting that an estimator does not have is empty and not part of the name.
    varying = [name for name in SETTINGS if results[name].drop_nulls().n_unique() > 1]
    name = pl.concat_str("model", *(_setting(setting) for setting in varying), separator=" · ", ignore_nulls=True)
    frame = _drop_shallow_repeats(results.with_columns(name.alias("series")))
    frame = _told_apart(frame, "run", pl.format("run {}", "run"))
    return _told_apart(frame, "recipe", pl.format("recipe {}", _rank("recipe")))


def shallow_repeats(results: pl.DataFrame) -> pl.DataFrame:
    """Rows of runs whose checkpoint another run recorded at more layers; figures show only the latter."""
    results = one_ablation(results)
    kept = with_series(results)
    return results.join(kept, on="problem_id", how="anti")


def final_checkpoint(frame: pl.DataFrame) -> pl.DataFrame:
    """The final checkpoint of every series and dataset: without stage and step, else the last step of the last stage.

    Raises:
        ResultTableError: the frame lacks `dataset`, `stage`, `step` or `series`, which `with_series` adds.
    """
    group = (SERIES, "dataset")
    frame = having(frame, (*group, "stage", "step"))
    finished = ~is_checkpoint()
    aged = frame.filter(finished | ~finished.any().over(group))
    for key in (STAGE_RANK, pl.col("stage").rank("dense"), pl.col("step")):
        # Needs its own column: inside `over`, a rank would be among the group's rows.
        aged = aged.with_columns(key.fill_null(-1).alias("_age"))
        aged = aged.filter(pl.col("_age") == pl.col("_age").max().over(group)).drop("_age")
    return aged


def final_layer(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows measured at the model's output, not through the logit lens.

    Raises:
        ResultTableError: the frame lacks `layer` or `num_layers`.

    >>> import polars as pl
    >>> final_layer(pl.DataFrame({"layer": [1, 2, 3], "num_layers": [3, 3, 3]})).rows()
    [(3, 3)]
    """
    return having(frame, ("layer", "num_layers")).filter(pl.col("layer") == pl.col("num_layers"))


@remembered
def finals(results: pl.DataFrame, estimator: str = EXACT) -> pl.DataFrame:
    """Fits of the final checkpoints at the final layer, by family, size, series and dataset, as `reported`.

    Args:
        results: the result table.
        estimator: which estimator to use if a problem has results from several; see `one_estimator`.

    Raises:
        ResultTableError: this is not a result table.
    """
    return _finals(results, estimator)


def _finals(results: pl.DataFrame, estimator: str) -> pl.DataFrame:
    # The final checkpoint is chosen among all rows: if it failed, an earlier one must not replace it.
    final = final_layer(final_checkpoint(with_series(one_estimator(given(results), estimator))))
    return in_reading_order(reported(final))


def finals_of_each_estimator(results: pl.DataFrame) -> pl.DataFrame:
    """`finals` of every estimator, exact first if several solved the same problem."""
    results = one_ablation(results)
    names = sorted(results["estimator"].unique().sort(), key=lambda name: name != EXACT) or [EXACT]
    return in_reading_order(pl.concat(_finals(results.filter(pl.col("estimator") == name), name) for name in names))


def reported(frame: pl.DataFrame) -> pl.DataFrame:
    """The usable rows, without their unusable numbers.

    If the joint conditionals know less than the sources, synergy cannot be computed; it is then empty, and so are the
    shares, whose total includes it.
    """
    synergy = [pattern.format("synergy") for pattern in _ATOM_VALUES if not pattern.startswith("true_")]
    shares = [f"{atom}_share" for atom in ATOMS]
    known = pl.col("result") != JOINT_KNOWS_LESS
    return successful(frame).with_columns(pl.when(known).then(pl.col(name)) for name in dict.fromkeys(synergy + shares))


def in_reading_order(frame: pl.DataFrame) -> pl.DataFrame:
    """Sort by family, size (unknown last), series and dataset."""
    return frame.sort("family", "size_b", "series", "dataset", nulls_last=True, maintain_order=True)


def atoms_long(frame: pl.DataFrame) -> pl.DataFrame:
    """One row per problem and atom.

    Returns:
        The columns that are not about a single atom, and `atom`, `atom_label`, `symbol`, `estimate` (clipped at 0),
        `raw`, `low`, `high`, `sd`, `certified_low`, `certified_high`, `corrected`, `ground_truth` in bits, `share` of
        the total.

    Raises:
        ResultTableError: the frame lacks a column of an atom.
    """
    of_atoms = [pattern.format(atom) for atom in ATOMS for pattern in _ATOM_VALUES]
    frame = having(frame, of_atoms)
    keys = [name for name in frame.columns if name not in of_atoms]
    return pl.concat(
        frame.select(
            *keys,
            pl.lit(atom).alias("atom"),
            pl.lit(LEGEND[atom]).alias("atom_label"),
            pl.lit(SYMBOLS[atom]).alias("symbol"),
            *(pl.col(pattern.format(atom)).alias(name) for pattern, name in _ATOM_VALUES.items()),
        )
        for atom in ATOMS
    )


def _setting(name: str) -> pl.Expr:
    value = pl.col(name).cast(pl.String)
    if name in ("marginals", "strata"):  # values such as `none` say little alone
        return pl.format(f"{name} {{}}", value)
    return pl.format("τ {}", value) if name == "tau" else value


def _drop_shallow_repeats(frame: pl.DataFrame) -> pl.DataFrame:
    layers = frame.group_by(*_PLACE, "run").agg(pl.col("layer").n_unique().alias("_layers"))
    fullest = pl.col("_layers") == pl.col("_layers").max().over(_PLACE)
    return (
        frame.join(layers, on=[*_PLACE, "run"], nulls_equal=True, maintain_order="left").filter(fullest).drop("_layers")
    )


def _told_apart(frame: pl.DataFrame, by: str, suffix: pl.Expr) -> pl.DataFrame:
    """Append `suffix` to the series of rows that share their place with a row of smaller `by`."""
    named = pl.when(_rank(by) > 1).then(pl.concat_str("series", suffix, separator=" · ")).otherwise("series")
    return frame.with_columns(named.alias("series"))


def _rank(name: str) -> pl.Expr:
    return pl.col(name).rank("dense").over(*_PLACE)
