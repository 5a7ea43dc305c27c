"""What differs between models, layers or checkpoints that answered the same items."""

from os import PathLike

import polars as pl

from pid_lvlm.analysis.frames import differences as pairs
from pid_lvlm.analysis.frames.influences import Influences, influences


def differences(
    results: pl.DataFrame,
    pointwise: pl.DataFrame | Influences | str | PathLike[str] | None = None,
    between: pairs.Between = "models",
) -> pl.DataFrame:
    """Differences of the atoms on the same items, with their intervals: `frames.differences.differences`.

    Args:
        results: the result table.
        pointwise: a file of `pid-estimate --pointwise` for its rows, `read_pointwise` of several, or its `influences`.
        between: `models` (every pair on a dataset), `layers` or `checkpoints` (each with the next one).

    Returns:
        A row per pair and atom, `second` minus `first` in bits.

    Raises:
        ResultTableError: this is not a result table.
        ItemTableError: this is not a table of atoms per item.
        NothingToShowError: there is no such table, it has no influence values, or there is no pair to compare.
    """
    known = pointwise if isinstance(pointwise, Influences) else influences(results, pointwise)
    return pairs.differences(results, known, between).frame
