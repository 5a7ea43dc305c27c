"""Validates a result table before it is used: its columns, their types and their values. Shared by all steps."""

from collections.abc import Collection, Sequence
from typing import Final

import polars as pl

from pid_lvlm.data.bounds import RESULT_ROWS, SEEDS
from pid_lvlm.data.command.shown import cut
from pid_lvlm.data.command.suggest import near_names
from pid_lvlm.data.contract.table.result_table import POLARS_TYPES, SCHEMA, newest_version, upgrade
from pid_lvlm.data.contract.table.results import COLUMNS, RESULT_SCHEMA_VERSION, ROUNDING, USABLE, Column
from pid_lvlm.data.errors import PidError
from pid_lvlm.data.inputs.schema import shown
from pid_lvlm.data.inputs.text import TextError, parse_json

UNWRITABLE: Final = r"[\p{Cc}\p{Zl}\p{Zp}]"
"""Control characters and line separators, which no name may contain."""

MEASURED: Final = frozenset({"float"})
"""Kinds of columns that a failed fit may leave empty: those it would have measured."""

FORMER: Final = {former: column.name for column in COLUMNS for former in column.formerly}
"""Names of columns in older versions -> their names now."""

_ROW: Final = "row of the file"


class TableError(PidError):
    """A file is not a valid result table; the message is a clause such as `has no column `run``."""


def checked_table(frame: pl.DataFrame) -> pl.DataFrame:
    """Bring a result table of any version to the current one: every column, in order, with its type and valid values.

    NaN, which marks an unknown number, becomes empty, and so does an infinite number of a failed fit. A repeated row
    counts once.

    Raises:
        TableError: the version is newer, a column is missing or of the wrong type, a value is missing or invalid, or
            two rows of one problem differ; the message names column and row.
    """
    if len(frame) > RESULT_ROWS.most:
        raise TableError(f"has {len(frame):,} rows; at most {RESULT_ROWS} are possible")
    newest = newest_version(frame)
    if newest is not None and newest > RESULT_SCHEMA_VERSION:
        raise TableError(
            f"has schema version {newest}, but this program reads versions up to {RESULT_SCHEMA_VERSION}; upgrade it"
        )
    frame = upgrade(frame)
    _check_columns(frame)
    frame = frame.select(typed_series(frame[column.name], column.kind, column.meaning) for column in COLUMNS)
    failed = (~pl.col("result").is_in(USABLE)).fill_null(value=True)
    frame = frame.with_columns(
        pl.when(failed & ~pl.col(name).is_finite()).then(None).otherwise(pl.col(name)).alias(name)
        for name in (column.name for column in COLUMNS if column.kind in MEASURED)
    )
    for column in COLUMNS:
        _check_filled(frame, column)
        _check_values(frame, column)
    return _without_repeats(frame)


def _check_columns(frame: pl.DataFrame) -> None:
    missing = [column.name for column in COLUMNS if column.name not in frame.columns]
    if not missing:
        return
    unknown = [name for name in frame.columns if name not in SCHEMA]
    near = [f"`{cut(name)}`" for name in near_names(missing[0], unknown)]
    hint = f"; did you rename it to {' or '.join(near)}?" if near else ""
    others = f" (and {len(missing) - 1} more: {_listed(missing[1:])})" if len(missing) > 1 else ""
    raise TableError(f"has no column `{missing[0]}`{others}{hint}")


def _listed(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def typed_series(series: pl.Series, kind: str, meaning: str = "") -> pl.Series:
    """The column cast to the type of its kind, with float NaN as empty.

    Args:
        series: a column of a file.
        kind: text, int, float or list.
        meaning: the column's meaning, for the message.

    Raises:
        TableError: the type does not fit the kind, or an integer does not fit into 64 bits.
    """
    if not _fits(series.dtype, kind):
        said = f" ({meaning})" if meaning else ""
        raise TableError(f"column `{series.name}` is of type {series.dtype}; expected {kind}{said}")
    try:
        series = series.cast(POLARS_TYPES[kind])
    except pl.exceptions.PolarsError:
        raise TableError(f"column `{series.name}` has numbers that do not fit into 64 bits") from None
    return series.fill_nan(None) if kind == "float" else series


def _fits(dtype: pl.DataType, kind: str) -> bool:
    if dtype == pl.Null:  # a column without values has no type
        return True
    if kind == "text":
        return dtype in (pl.String, pl.Categorical, pl.Enum)
    if kind == "list":
        return isinstance(dtype, pl.List) and (dtype.inner == pl.Null or dtype.inner.is_integer())
    return dtype.is_integer() or (kind == "float" and dtype.is_float())


def _check_filled(frame: pl.DataFrame, column: Column) -> None:
    if column.nullable:
        return
    empty = pl.col(column.name).is_null()
    if column.kind in MEASURED:
        empty &= pl.col("result").is_in(USABLE)
    if rows := rows_where(frame, empty):
        message = f"column `{column.name}` is empty in {len(rows)} of {len(frame)} rows, first in row {rows[0]}"
        raise TableError(f"{message}; it is required for every successful fit")


def _check_values(frame: pl.DataFrame, column: Column) -> None:
    wrong = {"text": _wrong_text, "list": _wrong_list}.get(column.kind, _wrong_number)(column)
    rows = rows_where(frame, wrong)
    expected = str(column.values)
    if not rows and column.values.is_json:
        rows = _not_json(frame, column.name)
    elif column.kind == "text" and not rows:
        rows = rows_where(frame, pl.col(column.name).str.contains(UNWRITABLE))
        expected = "text without control characters and line breaks"
    unit = f" {column.unit}" if column.unit not in ("-", "1") else ""
    refuse_rows(frame, column.name, rows, expected + unit)


def refuse_rows(frame: pl.DataFrame, name: str, rows: Sequence[int], expected: str) -> None:
    """Reject values of the column `name`, if there are such rows.

    Raises:
        TableError: names the first such row and its value.
    """
    if rows:
        value = frame[name][rows[0]]
        found = value.to_list() if isinstance(value, pl.Series) else value
        more = f" ({len(rows)} such rows)" if len(rows) > 1 else ""
        raise TableError(f"row {rows[0]}, column `{name}`: expected {expected}, found {shown(found)}{more}")


def _wrong_number(column: Column) -> pl.Expr:
    slack = ROUNDING if column.kind == "float" else 0
    value, limits = pl.col(column.name), column.values
    most = pl.col(limits.most_of) if limits.most_of else pl.lit(limits.most + slack)
    return (value < limits.least - slack) | (value > most) | ~value.cast(pl.Float64).is_finite()


def _wrong_text(column: Column) -> pl.Expr:
    if column.values.choices:
        return ~pl.col(column.name).is_in(column.values.choices)
    return pl.col(column.name).str.len_chars() > column.values.most


def _wrong_list(column: Column) -> pl.Expr:
    entries, length = pl.col(column.name).list, pl.col(column.name).list.len()
    wrong = (entries.min() < column.values.least) | (entries.max() > column.values.most)
    return wrong | (length < 1) | (length > SEEDS.most) | entries.eval(pl.element().is_null()).list.any()


def _not_json(frame: pl.DataFrame, name: str) -> list[int]:
    wrong = []
    for text in frame[name].unique().drop_nulls():
        try:
            if isinstance(parse_json(text), dict):
                continue
        except TextError:
            pass
        wrong.append(text)
    return rows_where(frame, pl.col(name).is_in(wrong)) if wrong else []


def rows_where(frame: pl.DataFrame, wrong: pl.Expr) -> list[int]:
    """Indices of the rows for which the expression holds."""
    return frame.select(wrong.fill_null(value=False).arg_true()).to_series().to_list()


def _without_repeats(frame: pl.DataFrame) -> pl.DataFrame:
    once = frame.unique(maintain_order=True)
    if (again := once.filter(pl.col("problem_id").is_duplicated())).is_empty():
        return once
    name = again["problem_id"][0]
    first, second = rows_where(frame, pl.col("problem_id") == name)[:2]
    raise TableError(f"rows {first} and {second} are both problem `{cut(name)}` and differ; keep one of them")


def unknown_columns(names: Collection[str]) -> list[str]:
    """The names that no version of the table has."""
    return [name for name in names if name not in SCHEMA and name not in FORMER]
