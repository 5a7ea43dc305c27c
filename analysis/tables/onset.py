"""The onset of each atom: the training checkpoint from which it is present."""

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.influences import Influences
from pid_lvlm.analysis.frames.onset import onsets
from pid_lvlm.data.contract.table.results import EXACT


def onset(results: pl.DataFrame, estimator: str = EXACT, influences: Influences | None = None) -> pl.DataFrame:
    """The onset of each atom over the checkpoints of a training; `frames.onset.onsets` has the definition.

    Args:
        results: the result table.
        estimator: which estimator to use if a problem has results from several.
        influences: `influences(results, pointwise)`, for the paired difference from the previous checkpoint.

    Returns:
        A row per model, dataset and atom, with the columns of `onsets`.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no model has two checkpoints.
    """
    found = onsets(results, estimator, influences)
    if found.filter(pl.col("checkpoints") > 1).is_empty():
        raise NothingToShowError("No model has more than one training checkpoint.")
    return found
