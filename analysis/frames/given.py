"""Result frames that someone hands to a function of this package: checked, and with names that can be drawn."""

from typing import Final

import polars as pl

from pid_lvlm.analysis.errors import ResultTableError
from pid_lvlm.analysis.frames.memory import always_remembered
from pid_lvlm.data.bounds import SHOWN_NAME
from pid_lvlm.data.command.display import displayable
from pid_lvlm.data.contract.result_table import SCHEMA

NAMES: Final = ("run", "model", "family", "dataset", "stage", "preset", "estimator", "pooling", "result", "device")
"""Columns whose texts become labels."""

_EMPTY: Final = "(empty)"

_OF_OBJECTS: Final = frozenset(
    ("__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__", "__proto__", "constructor")
    + ("hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf")
)
"""What every object of JavaScript has: Vega, which keeps groups by name in objects, would find these there already."""


def given(results: pl.DataFrame) -> pl.DataFrame:
    """The frame, if it is a result table.

    Raises:
        ResultTableError: it is not a polars frame, lacks a column, or has one of another type.
    """
    if not isinstance(results, pl.DataFrame):
        message = f"expected a polars frame such as `read_results` returns, found {type(results).__name__}"
        raise ResultTableError("results", message)
    missing = [name for name in SCHEMA if name not in results.columns]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        message = f"has no column `{missing[0]}`{more}; expected the columns that `read_results` returns"
        raise ResultTableError("results", message)
    for name, wanted in SCHEMA.items():
        found = results.schema[name]
        if found != wanted and found != pl.Null and not _is_as_good(found, wanted):
            message = f"column `{name}` is of type {found}; expected {wanted}, as `read_results` returns it"
            raise ResultTableError("results", message)
    return results


def _is_as_good(found: pl.DataType, wanted: pl.DataType) -> bool:
    if wanted.is_numeric():
        return found.is_integer() or (found.is_float() and wanted.is_float())
    if wanted == pl.String:
        return isinstance(found, pl.Categorical | pl.Enum)
    return isinstance(found, pl.List)


@always_remembered
def labelled(results: pl.DataFrame) -> pl.DataFrame:
    r"""The frame with names as they are shown: without control characters, cut where they are long, still distinct.

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
    """A label for each text; those that would be the same are numbered."""
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
