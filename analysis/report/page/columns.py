"""The data of all charts of a page, column by column, each column once.

Charts of the same fits share most of their columns, and rows as objects would repeat every name.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any


class Columns:
    """Columns that charts refer to by number; equal columns are stored once.

    A column is a list of values, or `{"values": …, "codes": …}` if its texts repeat.
    """

    def __init__(self) -> None:
        self.content: list[Any] = []
        self._numbers: dict[str, int] = {}

    def add(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
        """The column number of each name; a row without that name has null there."""
        names = dict.fromkeys(name for row in rows for name in row)
        return {name: self._number([row.get(name) for row in rows]) for name in names}

    def _number(self, values: list[Any]) -> int:
        packed = _packed(values)
        key = json.dumps(packed)
        if key not in self._numbers:
            self._numbers[key] = len(self.content)
            self.content.append(packed)
        return self._numbers[key]


def _packed(values: list[Any]) -> Any:
    if not all(isinstance(value, str | None) for value in values):
        return values
    distinct = dict.fromkeys(values)
    if 2 * len(distinct) > len(values):
        return values
    codes = {value: number for number, value in enumerate(distinct)}
    return {"values": list(distinct), "codes": [codes[value] for value in values]}


def shared(specification: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    """An altair specification whose data sets are columns of `columns`, without its schema address."""
    small = {name: value for name, value in specification.items() if name != "$schema"}
    small["datasets"] = {name: columns.add(rows) for name, rows in specification.get("datasets", {}).items()}
    return small
