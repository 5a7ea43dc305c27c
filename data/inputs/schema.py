"""Checks outside values against the types of a dataclass: pydantic decides, this module words the messages."""

import json
from collections.abc import Collection, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, time
from functools import partial
from typing import Annotated, Any, Final, NoReturn, TypeVar

from pydantic import ConfigDict, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from pid_lvlm.data.bounds import NESTING, TEXT
from pid_lvlm.data.command.shown import cut, shown
from pid_lvlm.data.command.suggest import suggestion
from pid_lvlm.data.errors import PidError
from pid_lvlm.data.inputs.place import find_place, is_half, spell_place

T = TypeVar("T")

STRICT: Final = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, str_max_length=TEXT.most)
"""`__pydantic_config__` for a dataclass: exact types, no unknown keys, finite numbers, bounded texts."""

Word = Annotated[str, StringConstraints(min_length=1)]
"""A nonempty text."""


class SchemaError(PidError):
    """A value does not fit its schema. `faults` are sentences, one for each fault."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(self.faults))


def checked(kind: type[T], raw: Any) -> T:
    """Make an instance of a dataclass from a mapping of plain values.

    Args:
        kind: the dataclass; its annotations, with constraints of `annotated_types` or pydantic, are the schema.
        raw: the value parsed from JSON or TOML.

    Raises:
        SchemaError: names every key with a wrong, missing or unknown value.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Point:
        ...     __pydantic_config__ = STRICT
        ...     x: int
        ...     y: int = 0
        >>> checked(Point, {"x": 1})
        Point(x=1, y=0)
        >>> checked(Point, {"x": "1", "z": 2})
        Traceback (most recent call last):
        pid_lvlm.data.inputs.schema.SchemaError: `x` should be an integer, found '1'; unknown key `z`; known are x, y
    """
    if not isinstance(raw, dict):
        raise SchemaError([f"expected named values, found {shown(raw)}"])
    try:
        # In JSON mode pydantic accepts a list for a tuple and a mapping for a dataclass while all else stays strict.
        found: T = _adapter(kind).validate_json(_as_json(raw))
    except ValidationError as error:
        names = [item.name for item in fields(kind)] if is_dataclass(kind) else []
        faults = [_sentence(one, names) for one in error.errors() if not _follows(one)]
        raise SchemaError(list(dict.fromkeys(faults))) from None
    _as_json(raw, allow_nan=False)  # the schema only says that there is a value
    return found


def _follows(error: ErrorDetails) -> bool:
    """Whether a list is too short only because pydantic left out its invalid entries."""
    return error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]


def _as_json(raw: dict[str, Any], *, allow_nan: bool = True) -> bytes:
    try:
        return json.dumps(raw, ensure_ascii=False, allow_nan=allow_nan, default=partial(_not_plain, raw)).encode()
    except UnicodeEncodeError as error:
        half = f"U+{ord(error.object[error.start]):04X}"
        where = find_place(raw, is_half)
        raise SchemaError([f"`{where}` contains {half}, half of a character, which cannot be written"]) from None
    except RecursionError:
        raise SchemaError([f"values are nested more than {NESTING} deep"]) from None
    except (TypeError, ValueError) as error:
        raise SchemaError([f"a value cannot be written as JSON ({error})"]) from None


def _not_plain(raw: dict[str, Any], value: object) -> NoReturn:
    place = find_place(raw, lambda leaf: leaf is value)
    if isinstance(value, date | time):
        raise SchemaError([f"`{place}` is the date or time {value}, and none is expected; put it in quotes"])
    found = f"{shown(value)} of type {type(value).__name__}"
    raise SchemaError([f"`{place}` should be text, a number, a list or named values, found {found}"])


def _adapter(kind: Any) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


_ADAPTERS: Final[dict[Any, TypeAdapter[Any]]] = {}
"""Cached adapters: creating one takes longer than using it."""


EXPECTED: Final = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "named values",
    "mapping_type": "named values",
    "dataclass_type": "named values",
    "dataclass_exact_type": "named values",
    "none_required": "absent",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "string_too_short": "text that is not empty",
    "string_too_long": "at most {max_length} characters long",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "literal_error": "{expected}",
}
"""pydantic error types -> what was expected, with names from the error context."""


def _sentence(error: ErrorDetails, names: Collection[str]) -> str:
    place = spell_place([part for part in error["loc"] if part != "[key]"])  # a rule about keys
    kind, value = error["type"], error["input"]
    if kind == "missing":
        return f"`{place}` is missing"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        key = str(error["loc"][-1])
        known = suggestion(key, names) if len(error["loc"]) == 1 else "remove it"
        return f"unknown key `{cut(place)}`; {known}"
    expected = EXPECTED.get(kind)
    if expected is None:  # one of our rules, whose message is a clause, or a type not in the table
        return f"`{place}` {error['msg'].removeprefix('Value error, ')}, found {shown(value)}"
    return f"`{place}` should be {expected.format(**error.get('ctx', {}))}, found {shown(value)}"
