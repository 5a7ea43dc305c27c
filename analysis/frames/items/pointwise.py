"""Read the table of atoms per item: every column must be present, of the right type, with possible values."""

from os import PathLike
from pathlib import Path
from typing import Final

import polars as pl

from pid_lvlm.analysis.errors import ItemTableError
from pid_lvlm.data.bounds import ITEM_ID, RESULT_ROWS, RESULT_TEXT
from pid_lvlm.data.contract.table.item_table import INFLUENCES, ITEM_COLUMNS, SINCE_INFLUENCES
from pid_lvlm.data.contract.table.result_checks import TableError, refuse_rows, rows_where, typed_series
from pid_lvlm.data.contract.table.result_file import read_table
from pid_lvlm.data.contract.table.result_table import POLARS_TYPES, SCHEMA
from pid_lvlm.data.inputs.paths import is_there

_MADE_BY: Final = "`pid-estimate RUN... --out results.parquet --pointwise items.parquet` writes one"
_MOST_BITS: Final = 300.0
"""The same limit as for the atoms of the result table."""
_MOST_INFLUENCE: Final = 10_000.0
"""The same limit as for the ends of intervals."""


def read_pointwise(*paths: str | PathLike[str]) -> pl.DataFrame:
    """Read tables of atoms per item into one frame with the columns of `pid_lvlm.data.contract.table.item_table`.

    If a problem is in several files, the last file wins.

    Raises:
        ItemTableError: a file is missing, damaged or another kind of table, or has an impossible value.
    """
    found = pl.DataFrame(schema={name: POLARS_TYPES[kind] for name, kind in ITEM_COLUMNS.items()})
    for path in paths:
        frame = _read_one(Path(path))
        found = pl.concat([found.join(frame, on="problem_id", how="anti", maintain_order="left"), frame])
    return found


def given_pointwise(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame, if it is a table of atoms per item.

    Raises:
        ItemTableError: it is not a polars frame, lacks a column, or has an impossible value.
    """
    if not isinstance(frame, pl.DataFrame):
        found = type(frame).__name__
        raise ItemTableError("pointwise", f"expected a polars frame such as `read_pointwise` returns, found {found}")
    try:
        return _checked(frame)
    except TableError as error:
        raise ItemTableError("pointwise", str(error)) from error


def _read_one(path: Path) -> pl.DataFrame:
    if not is_there(path):
        raise ItemTableError(str(path), f"no such file; {_MADE_BY}")
    try:
        return _checked(read_table(path))
    except TableError as error:
        raise ItemTableError(str(path), str(error)) from error


def _checked(frame: pl.DataFrame) -> pl.DataFrame:
    earlier = [name for name in SINCE_INFLUENCES if name not in frame.columns]
    frame = frame.with_columns(pl.lit(None, POLARS_TYPES[SINCE_INFLUENCES[name]]).alias(name) for name in earlier)
    missing = [name for name in ITEM_COLUMNS if name not in frame.columns]
    if missing and set(SCHEMA) <= set(frame.columns):
        raise TableError(f"is a result table; expected a table with a row per item: {_MADE_BY}")
    if missing:
        raise TableError(f"has no column `{missing[0]}`; expected a table of atoms per item: {_MADE_BY}")
    if frame.is_empty():
        raise TableError("has no rows; did `pid-estimate` finish?")
    if frame.height > RESULT_ROWS.most:
        raise TableError(f"has {frame.height:,} rows; at most {RESULT_ROWS} are possible")
    frame = frame.select(typed_series(frame[name], kind) for name, kind in ITEM_COLUMNS.items())
    for name, kind in ITEM_COLUMNS.items():
        wrong, expected = _wrong(name, kind)
        refuse_rows(frame, name, rows_where(frame, wrong), expected)
    if again := rows_where(frame, pl.struct("problem_id", "sample_id").is_duplicated()):
        raise TableError(f"row {again[0]} and another are the same item of the same problem; keep one of them")
    return frame


def _wrong(name: str, kind: str) -> tuple[pl.Expr, str]:
    """Where a column has impossible values, and which values are possible."""
    column = pl.col(name)
    absent = column.is_null() & pl.lit(name not in SINCE_INFLUENCES)
    if kind == "text":
        most = ITEM_ID.most if name == "sample_id" else RESULT_TEXT.most
        return absent | (column.str.len_chars() > most), f"a text of at most {most:,} characters"
    if kind == "int":
        return absent | (column < 0), "a number that is not below 0"
    largest = _MOST_INFLUENCE if name in INFLUENCES else _MOST_BITS
    return column.is_infinite() | (column.abs() > largest), f"a number between -{largest:g} and {largest:g}"
