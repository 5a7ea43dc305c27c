"""The rows of a layer sweep: final checkpoints that were measured at more than one layer."""

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.estimators import SWEEP, one_estimator
from pid_lvlm.analysis.frames.memory import remembered
from pid_lvlm.analysis.frames.reshape import final_checkpoint, in_reading_order, reported, with_series
from pid_lvlm.data.contract.table.results import EXACT


@remembered
def layered(results: pl.DataFrame, estimator: str = EXACT) -> pl.DataFrame:
    """Usable rows of runs with more than one layer, in reading order.

    Args:
        results: the result table.
        estimator: the estimator to use if it has as many layers of a run as any other.

    Raises:
        NothingToShowError: no run has more than one layer.
    """
    chosen = one_estimator(results, estimator, SWEEP)
    frame = in_reading_order(reported(final_checkpoint(with_series(chosen))))
    frame = frame.filter(pl.col("layer").n_unique().over("series", "dataset") > 1)
    if frame.is_empty():
        raise NothingToShowError("No run was measured at more than one layer; `pid-extract --layers all` records them.")
    return frame
