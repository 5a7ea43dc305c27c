"""Checks result frames passed to functions of this package, and makes their names printable."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from pid_lvlm.analysis.errors import ResultTableError
from pid_lvlm.analysis.frames.memory import always_remembered
from pid_lvlm.analysis.frames.probes import one_ablation
from pid_lvlm.data.bounds import SHOWN_NAME
from pid_lvlm.data.command.display import displayable
from pid_lvlm.data.contract.table.result_table import SCHEMA

NAMES: Final = ("run", "model", "family", "dataset", "stage", "preset", "estimator", "pooling", "result", "device")
"""Columns whose values become labels."""

SERIES: Final = "series"
"""The column that `with_series` adds."""

_EMPTY: Final = "(empty)"
_LISTED: Final = 3
"""Maximum number of missing columns named in an error."""

_OF_OBJECTS: Final = frozenset(
    ("__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__", "__proto__", "constructor")
    + ("hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf")
)
"""Members of every JavaScript object: Vega keeps groups by name in plain objects and would find these already there."""


def given(results: pl.DataFrame, *, every_ablation: bool = False) -> pl.DataFrame:
    """The frame, if it is a result table: its rows under one ablation (`one_ablation`).

    Args:
        results: the frame.
        every_ablation: keep the rows under all ablations.

    Raises:
        ResultTableError: it is not a polars frame, lacks a column, or has one of another type.
    """
    checked = having(results, tuple(SCHEMA))
    return checked if every_ablation else one_ablation(checked)


def having(frame: pl.DataFrame, names: Sequence[str], called: str = "results") -> pl.DataFrame:
    """The frame, if it has these columns, with the right type if they are result-table columns.

    Args:
        frame: the function's argument.
        names: the columns that the function reads.
        called: the argument's name.

    Raises:
        ResultTableError: it is not a polars frame, lacks a column, or has one of another type.

    Example:
        >>> having(pl.DataFrame({"layer": [1]}), ("layer", "num_layers"))
        Traceback (most recent call last):
        pid_lvlm.analysis.errors.ResultTableError: result table `results`: has no column `num_layers`; ...
    """
    if not isinstance(frame, pl.DataFrame):
        collected = "; call its `collect()`" if isinstance(frame, pl.LazyFrame) else ""
        message = f"expected a polars frame such as `read_results` returns, found {type(frame).__name__}{collected}"
        raise ResultTableError(called, message)
    if missing := [name for name in names if name not in frame.columns]:
        raise ResultTableError(called, f"has no {_columns(missing)}; {_where_from(missing[0])}")
    for name in names:
        found, wanted = frame.schema[name], SCHEMA.get(name)
        if wanted and found != wanted and found != pl.Null and not _is_as_good(found, wanted):
            message = f"column `{name}` is of type {found}; expected {wanted}, as `read_results` returns it"
            raise ResultTableError(called, message)
    return frame


def _columns(missing: Sequence[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in missing[:_LISTED])
    more = f" and {len(missing) - _LISTED} more" if len(missing) > _LISTED else ""
    return f"column{'s' if len(missing) > 1 else ''} {shown}{more}"


def _where_from(name: str) -> str:
    if name in SCHEMA:
        return "expected the columns that `read_results` returns"
    return "`with_series` adds it" if name == SERIES else "the function's documentation lists the columns that it reads"


def _is_as_good(found: pl.DataType, wanted: pl.DataType) -> bool:
    if wanted.is_numeric():
        return found.is_integer() or (found.is_float() and wanted.is_float())
    if wanted == pl.String:
        return isinstance(found, pl.Categorical | pl.Enum)
    return isinstance(found, pl.List)


@always_remembered
def labelled(results: pl.DataFrame) -> pl.DataFrame:
    r"""The frame with printable names: without control characters, shortened if long, still distinct.

    Example:
        >>> labelled(pl.DataFrame({"model": ["a\x1bb", "llava"]}))["model"].to_list()
        ['a␛b', 'llava']
    """
    names = [name for name in NAMES if name in results.columns]
    return results.with_columns(_labels(results[name].cast(pl.String)) for name in names)


def _labels(column: pl.Series) -> pl.Series:
    texts = column.drop_nulls().unique().sort()
    labels = _distinct(texts.to_list())
    return column.replace_strict(texts, pl.Series(labels, dtype=pl.String), default=None, return_dtype=pl.String)


def _distinct(texts: list[str]) -> list[str]:
    """A label for each text; duplicates are numbered."""
    wanted = [_label(text) for text in texts]
    taken = {text for text, label in zip(texts, wanted, strict=True) if text == label}
    numbers = dict.fromkeys(wanted, 1)
    labels = []
    for text, label in zip(texts, wanted, strict=True):
        found = label
        while found != text and found in taken:
            numbers[label] += 1
            mark = f"… ({numbers[label]})"
            found = label[: SHOWN_NAME.most - len(mark)] + mark
        taken.add(found)
        labels.append(found)
    return labels


def _label(text: str) -> str:
    if text in _OF_OBJECTS:
        return f"{text} "
    return displayable(text, SHOWN_NAME.most) if text.strip() else _EMPTY
