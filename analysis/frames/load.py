"""Read parquet into a frame to rely on: every column present, of the right type, and filled where it must be."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Final

import polars as pl

from pid_lvlm.analysis.errors import ResultTableError
from pid_lvlm.data.command.suggest import near_names
from pid_lvlm.data.contract.result_table import SCHEMA, newest_version, upgrade
from pid_lvlm.data.contract.results import COLUMNS, RESULT_SCHEMA_VERSION, Column

SUCCESSFUL: Final = "successful"

_MAGIC: Final = b"PAR1"
# A failed fit may leave empty what it would have measured.
_MEASURED_KINDS: Final = frozenset({"float"})


def read_results(*paths: str | PathLike[str]) -> pl.DataFrame:
    """Read result tables into one frame with the columns of `pid_lvlm.data.contract.results`, in that order.

    Failed fits stay in the frame: `successful` selects the others. A problem that occurs in several files (the same
    `problem_id`) counts once; the last file wins. Tables of older versions are read, with their columns renamed.

    Raises:
        ResultTableError: a file is missing or not parquet, lacks a column, holds a wrong type or no row, leaves a
            required value empty, or was written by a newer version.
    """
    frames = [_read_one(Path(path)) for path in paths]
    return pl.concat(frames).unique("problem_id", keep="last", maintain_order=True)


def successful(results: pl.DataFrame) -> pl.DataFrame:
    """The rows whose fit succeeded.

    >>> import polars as pl
    >>> table = pl.DataFrame({"run": ["a", "b"], "result": ["successful", "nonfinite_loss"]})
    >>> successful(table)["run"].to_list()
    ['a']
    """
    return results.filter(pl.col("result") == SUCCESSFUL)


def failed_fits(results: pl.DataFrame) -> pl.DataFrame:
    """The rows whose fit failed; `result` says why.

    >>> import polars as pl
    >>> table = pl.DataFrame({"run": ["a", "b"], "result": ["successful", "nonfinite_loss"]})
    >>> failed_fits(table)["result"].to_list()
    ['nonfinite_loss']
    """
    return results.filter(pl.col("result") != SUCCESSFUL)


def _read_one(path: Path) -> pl.DataFrame:
    frame = _read_parquet(path)
    _check_version(path, frame)
    frame = upgrade(frame)
    _check_columns(path, frame)
    if frame.is_empty():
        raise ResultTableError(str(path), "holds no row; did `pid-estimate` finish?")
    frame = frame.select(_typed(path, frame, column) for column in COLUMNS)
    _check_filled(path, frame)
    return frame


def _read_parquet(path: Path) -> pl.DataFrame:
    if not path.exists():
        raise ResultTableError(str(path), "no such file; `pid-estimate RUN... --out results.parquet` writes one")
    if not path.is_file():
        raise ResultTableError(str(path), "is a folder; name the parquet file itself")
    content = path.read_bytes()
    if not content.startswith(_MAGIC):
        raise ResultTableError(str(path), "is not a parquet file; expected a table that `pid-estimate` wrote")
    if not content.endswith(_MAGIC):
        raise ResultTableError(
            str(path), "is truncated: its parquet footer is missing; copy it again, or run `pid-estimate` again"
        )
    try:
        return pl.read_parquet(content)
    except pl.exceptions.PolarsError as error:
        reason = str(error).partition("\n")[0]
        raise ResultTableError(str(path), f"cannot be read as parquet ({reason})") from error


def _check_version(path: Path, frame: pl.DataFrame) -> None:
    """First of all checks: a newer table may lack columns, or have other types, for a good reason."""
    newest = newest_version(frame)
    if newest is not None and newest > RESULT_SCHEMA_VERSION:
        message = (
            f"has schema version {newest}, but this program reads versions up to {RESULT_SCHEMA_VERSION}; upgrade it"
        )
        raise ResultTableError(str(path), message)


def _check_columns(path: Path, frame: pl.DataFrame) -> None:
    missing = [column.name for column in COLUMNS if column.name not in frame.columns]
    if not missing:
        return
    unknown = [name for name in frame.columns if name not in {column.name for column in COLUMNS}]
    near = [f"`{name}`" for name in near_names(missing[0], unknown)]
    hint = f"; did you rename it to {' or '.join(near)}?" if near else ""
    others = f" (and {len(missing) - 1} more: {_listed(missing[1:])})" if len(missing) > 1 else ""
    raise ResultTableError(str(path), f"has no column `{missing[0]}`{others}{hint}")


def _listed(names: Sequence[str], shown: int = 5) -> str:
    return ", ".join(names[:shown]) + (", …" if len(names) > shown else "")


def _typed(path: Path, frame: pl.DataFrame, column: Column) -> pl.Series:
    """The column in its one type; NaN, which marks an unknown number, becomes an empty value."""
    series = frame[column.name]
    if not _fits(series.dtype, column.kind):
        message = f"column `{column.name}` is of type {series.dtype}; expected {column.kind} ({column.meaning})"
        raise ResultTableError(str(path), message)
    series = series.cast(SCHEMA[column.name])
    return series.fill_nan(None) if column.kind == "float" else series


def _fits(dtype: pl.DataType, kind: str) -> bool:
    if dtype == pl.Null:  # a column without any value carries no type
        return True
    if kind == "text":
        return dtype in (pl.String, pl.Categorical, pl.Enum)
    if kind == "list":
        return isinstance(dtype, pl.List) and (dtype.inner == pl.Null or dtype.inner.is_integer())
    return dtype.is_integer() or (kind == "float" and dtype.is_float())


def _check_filled(path: Path, frame: pl.DataFrame) -> None:
    for column in COLUMNS:
        if column.nullable:
            continue
        empty = pl.col(column.name).is_null()
        if column.kind in _MEASURED_KINDS:
            empty &= (pl.col("result") == SUCCESSFUL).fill_null(value=True)
        rows = frame.with_row_index("row").filter(empty)["row"]
        if not rows.is_empty():
            message = f"column `{column.name}` is empty in {rows.len()} of {frame.height} rows, first in row {rows[0]}"
            raise ResultTableError(str(path), f"{message}; it is required for every successful fit")
