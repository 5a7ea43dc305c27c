"""Reads JSON and TOML from untrusted files: bounded, with finite numbers and encodable text."""

import json
import math
import re
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, NoReturn

from pid_lvlm.data.bounds import NESTING, TEXT_FILE, Bound
from pid_lvlm.data.command.shown import shown
from pid_lvlm.data.errors import PidError
from pid_lvlm.data.inputs.paths import open_regular
from pid_lvlm.data.inputs.place import find_place, is_half

_SURROGATE: Final = re.compile(r"\\u[dD][89abAB]")


class TextError(PidError):
    """A text is invalid; the message is a clause such as `is not JSON (…)`."""


def read_text(path: Path, bound: Bound = TEXT_FILE) -> str:
    """Read a small UTF-8 file.

    Raises:
        FileNotFoundError: the file does not exist.
        TextError: it cannot be read, is too large, or is not UTF-8.
    """
    try:
        with open_regular(path) as file:
            content = file.read(bound.most + 1)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise TextError(f"cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if len(content) > bound.most:
        raise TextError(f"has more than {bound}; is it the right file?")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TextError(f"is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8") from None


def parse_json(text: str) -> Any:
    """Parse JSON with finite numbers and encodable texts.

    Raises:
        TextError: it is not valid; the message says where, and never quotes the text.

    Example:
        >>> parse_json('{"bits": 1.5}')
        {'bits': 1.5}
        >>> parse_json('{"bits": NaN}')
        Traceback (most recent call last):
        pid_lvlm.data.inputs.text.TextError: contains NaN, which is not a number of JSON, as `bits`
    """
    try:
        value = _JSON.decode(text)
    except RecursionError:
        raise _too_deep() from None
    except _NotFiniteError as error:
        raise TextError(f"{error}{_place_of_odd(text)}") from None
    except ValueError as error:
        raise TextError(f"is not JSON ({_reason(error)})") from None
    _check_depth(text, value)
    if _SURROGATE.search(text):
        _check_encodable(value)
    return value


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML with finite numbers.

    Raises:
        TextError: it is not valid; the message says where.
    """
    try:
        value = tomllib.loads(text, parse_float=_finite)
    except RecursionError:
        raise _too_deep() from None
    except _NotFiniteError as error:
        raise TextError(str(error)) from None
    except ValueError as error:
        raise TextError(f"is not TOML ({_reason(error)})") from None
    _check_depth(text, value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise TextError(f"has the key {shown(twice)} twice in one object; keep one")
    return found


class _NotFiniteError(Exception):
    """A number is not finite; the message is a clause."""


def _no_constant(text: str) -> NoReturn:
    raise _NotFiniteError(f"contains {text}, which is not a number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _NotFiniteError(f"contains {text[:40]}, which is not finite")
    return value


def _reason(error: ValueError) -> str:
    """Why a parser failed; Python's own message about its digit limit is for programmers."""
    return "a number has too many digits" if "integer string conversion" in str(error) else str(error)


def _place_of_odd(text: str) -> str:
    try:
        return _as(json.loads(text), _is_odd)
    except (RecursionError, ValueError):
        return ""


def _is_odd(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _as(value: Any, wanted: Callable[[Any], bool]) -> str:
    place = find_place(value, wanted)
    return f", as `{place}`" if place else ""


_JSON: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
"""One decoder for all texts: creating it takes longer than reading a row."""


def _too_deep() -> TextError:
    return TextError(f"has lists or objects nested more than {NESTING} deep")


def _check_depth(text: str, value: Any) -> None:
    if text.count("[") + text.count("{") + text.count(".") <= NESTING.most:  # TOML's dotted keys nest, too
        return
    level: list[Any] = [value]
    for _ in range(NESTING.most + 1):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return
    raise _too_deep()


def _children(value: Any) -> Iterable[Any]:
    inside: Iterable[Any] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (child for child in inside if isinstance(child, dict | list))


def _check_encodable(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = f"U+{ord(error.object[error.start]):04X}"
        where = _as(value, is_half)
        raise TextError(f"contains {half}, half of a character, which is not text{where}; repair the file") from None
