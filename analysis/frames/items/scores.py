"""What a run folder knows about each item: the probabilities of its options under every condition, and the answer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pid_lvlm import data
from pid_lvlm.data.command.shown import backticked, shown_path
from pid_lvlm.data.command.suggest import suggestion
from pid_lvlm.data.contract.reading.run_folder import is_run
from pid_lvlm.data.errors import ContractError, PidError
from pid_lvlm.data.names import BOTH, CONDITIONS

PROBABILITIES: Final = {condition: f"p_{condition}" for condition in CONDITIONS}
"""Condition -> column with the probabilities of an item's options, which sum to 1."""
TOTALS: Final = {condition: f"total_{condition}" for condition in CONDITIONS}
"""Condition -> column with the total probability of the options over the full vocabulary."""

SCORES: Final[Mapping[str, Any]] = {
    "sample_id": pl.String(),
    "num_options": pl.Int64(),
    "letters": pl.String(),
    "label": pl.Int64(),
    "predicted": pl.Int64(),
    "correct": pl.Boolean(),
    **dict.fromkeys(PROBABILITIES.values(), pl.List(pl.Float64())),
    **dict.fromkeys(TOTALS.values(), pl.Float64()),
}
"""Columns of `item_scores` and their types."""


def find_run_folders(paths: Sequence[str | Path], wanted: Sequence[str]) -> tuple[dict[str, Path], list[str]]:
    """The folders of the wanted runs, by run name.

    Args:
        paths: run folders, or folders of run folders.
        wanted: names of runs, as in the result table.

    Returns:
        The folders, and a sentence for each run folder that cannot be read.

    Raises:
        PidError: a path is neither; a given run folder is not among the wanted runs, or none is; or two hold the same
            run.
    """
    found: dict[str, Path] = {}
    others: list[str] = []
    unreadable: list[str] = []
    for path in map(Path, paths):
        for folder in data.find_runs([path]):
            try:
                name = data.read_manifest(folder).run
            except ContractError as error:
                if is_run(path):
                    raise
                unreadable.append(str(error))
                continue
            if name not in wanted:
                if is_run(path):
                    raise PidError(f"run folder `{shown_path(path)}`: {_unknown_run(name, wanted)}")
                others.append(name)
            elif name in found and found[name].resolve() != folder.resolve():
                first, second = shown_path(found[name]), shown_path(folder)
                raise PidError(f"the run {backticked([name])} is in both `{first}` and `{second}`; name one of them")
            else:
                found[name] = folder
    if others and not found:
        raise PidError(f"no run folder in {backticked(map(str, paths))}: {_unknown_run(others[0], wanted)}")
    return found, unreadable


def _unknown_run(name: str, wanted: Sequence[str]) -> str:
    hint = suggestion(name, wanted)
    return f"its run {backticked([name])} is not one whose items are shown; {hint}"


def item_scores(folder: Path, layer: int) -> pl.DataFrame:
    """Probabilities, answer and label of every item of a run at one layer.

    The probabilities of an item's options are those over the full vocabulary, divided by their total (paper, equation
    5). The total has its own column: below τ the estimate treats the options as equally probable. Conditions that the
    run does not have get empty columns.

    Args:
        folder: the run folder; an unfinished one is read as far as it goes.
        layer: number of the layer.

    Returns:
        The columns of `SCORES`. `predicted` is the index of the most probable option with picture and question,
        `label` that of the right one; `label` and `correct` are empty if the right one is unknown.

    Raises:
        ContractError: the folder is not valid, or lacks the layer.
    """
    run = data.read_run(folder, allow_partial=True, poolings=())
    if layer not in run.manifest.layers:
        recorded = ", ".join(map(str, run.manifest.layers))
        raise ContractError(str(folder), [data.Fault("manifest.json", f"no layer {layer}; it has {recorded}")])
    loglik = run.arrays["loglik"][:, :, run.manifest.layers.index(layer)]
    conditions = run.manifest.conditions
    label = run.arrays["label"].astype(np.int64)
    predicted = loglik[:, conditions.index(BOTH)].argmax(axis=-1)
    columns: dict[str, NDArray] = {
        "sample_id": run.arrays["sample_id"],
        "num_options": run.arrays["num_options"].astype(np.int64),
        "label": label,
        "predicted": predicted,
        "correct": predicted == label,
    }
    frame = pl.DataFrame({name: values.tolist() for name, values in columns.items()})
    letters = run.arrays["letters"].tolist() if "letters" in run.arrays else None
    unknown = pl.col("label") < 0
    frame = frame.with_columns(
        pl.Series("letters", letters, pl.String) if letters else pl.lit(None, pl.String).alias("letters"),
        correct=pl.when(~unknown).then("correct"),
        label=pl.when(~unknown).then("label"),
        **_probabilities({name: loglik[:, position] for position, name in enumerate(conditions)}),
    )
    trimmed = (pl.col(name).list.head(pl.col("num_options")) for name in PROBABILITIES.values())
    return frame.with_columns(trimmed).select(pl.col(name).cast(kind) for name, kind in SCORES.items())


def _probabilities(loglik: Mapping[str, NDArray]) -> dict[str, pl.Series | pl.Expr]:
    columns: dict[str, pl.Series | pl.Expr] = {}
    for condition in CONDITIONS:
        named, total = PROBABILITIES[condition], TOTALS[condition]
        if condition not in loglik:
            columns |= {named: pl.lit(None, SCORES[named]), total: pl.lit(None, SCORES[total])}
            continue
        scores = np.exp(loglik[condition].astype(np.float64))
        sums = scores.sum(axis=-1)
        shares = pl.Series(scores / np.where(sums > 0, sums, 1)[:, None]).arr.to_list()
        columns |= {named: pl.when(pl.Series(sums > 0)).then(shares), total: pl.Series(sums)}
    return columns
