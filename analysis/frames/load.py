"""Read parquet into a frame to rely on: every column present, of the right type, and filled where it must be."""

from os import PathLike
from pathlib import Path

import polars as pl

from pid_lvlm.analysis.errors import ResultTableError
from pid_lvlm.analysis.frames.given import having
from pid_lvlm.data.contract.table.result_checks import TableError, checked_table
from pid_lvlm.data.contract.table.result_file import read_table
from pid_lvlm.data.contract.table.results import USABLE


def read_results(*paths: str | PathLike[str]) -> pl.DataFrame:
    """Read result tables into one frame with the columns of `pid_lvlm.data.contract.table.results`, in that order.

    Failed fits stay in the frame: `successful` selects the others. A problem that occurs in several files (the same
    `problem_id`) counts once; the last file wins. Tables of older versions are read, with their columns renamed.

    Raises:
        ResultTableError: a file is missing, damaged or not parquet, lacks a column, holds a wrong type, no row or a
            value that cannot be, leaves a required value empty, or was written by a newer version.
    """
    frames = [_read_one(Path(path)) for path in paths]
    return pl.concat(frames).unique("problem_id", keep="last", maintain_order=True)


def successful(results: pl.DataFrame) -> pl.DataFrame:
    """The rows whose numbers hold: those of successful fits, and those with a result that only asks for care.

    Raises:
        ResultTableError: the frame has no column `result`.

    >>> import polars as pl
    >>> table = pl.DataFrame({"run": ["a", "b", "c"], "result": ["successful", "nonfinite_loss", "wide_interval"]})
    >>> successful(table)["run"].to_list()
    ['a', 'c']
    """
    return having(results, ("result",)).filter(pl.col("result").is_in(USABLE))


def failed_fits(results: pl.DataFrame) -> pl.DataFrame:
    """The rows whose fit failed; `result` says why.

    Raises:
        ResultTableError: the frame has no column `result`.

    >>> import polars as pl
    >>> table = pl.DataFrame({"run": ["a", "b"], "result": ["successful", "nonfinite_loss"]})
    >>> failed_fits(table)["result"].to_list()
    ['nonfinite_loss']
    """
    return having(results, ("result",)).filter(~pl.col("result").is_in(USABLE))


def _read_one(path: Path) -> pl.DataFrame:
    try:
        frame = checked_table(read_table(path))
    except TableError as error:
        raise ResultTableError(str(path), str(error)) from error
    if frame.is_empty():
        raise ResultTableError(str(path), "has no rows; did `pid-estimate` finish?")
    return frame
