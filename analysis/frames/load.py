"""Read parquet into a validated frame: every column present, of the right type, and non-empty where required."""

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

    Failed fits stay in the frame: `successful` selects the others. If a problem (`problem_id`) occurs in several files,
    the last file wins. Tables of older versions are read, with their columns renamed.

    Raises:
        ResultTableError: a file is missing, damaged or not parquet, lacks a column, has a wrong type, no rows, an
            impossible value or an empty required value, or was written by a newer version.
    """
    frames = [_read_one(Path(path)) for path in paths]
    return pl.concat(frames).unique("problem_id", keep="last", maintain_order=True)


def successful(results: pl.DataFrame) -> pl.DataFrame:
    """The rows with usable numbers: successful fits, and those whose result only needs care.

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
