"""Values as quoted in messages: on one line, without control characters, shortened if long."""

from collections.abc import Iterable
from typing import Any, Final

from pid_lvlm.data.errors import printable

SHOWN: Final = 80
"""Maximum characters of a value quoted in a message."""
PATH_SHOWN: Final = 300
"""Maximum characters of a path: more than for other values, since its end identifies the file."""
LISTED: Final = 20
"""Maximum number of names that a message lists."""


def shown(value: Any) -> str:
    """The `repr` of a value, shortened."""
    try:
        text = repr(value if not isinstance(value, str | bytes) else value[: SHOWN + 1])
    except (ValueError, RecursionError):  # an integer with more digits than Python prints
        text = f"a {type(value).__name__}"
    return cut(text)


def cut(text: str, most: int = SHOWN) -> str:
    r"""A text on one line, shortened; unprintable characters are escaped.

    Example:
        >>> cut("two" + chr(10) + "lines")
        'two\\nlines'
        >>> len(cut("x" * 1000))
        80
    """
    if len(text) > most:
        text = text[: most + 1]
    text = printable(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def shown_path(path: object) -> str:
    """A path; a very long one is shortened in the middle."""
    text = str(path)
    half = PATH_SHOWN // 2
    if len(text) > PATH_SHOWN:
        text = f"{text[: half - 1]}…{text[-half:]}"
    return cut(text, PATH_SHOWN * 10)


def backticked(names: Iterable[str]) -> str:
    """Names in backticks; if there are many, the first ones and the number of the rest."""
    names = list(names)
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(f"`{cut(str(name))}`" for name in names[:LISTED]) + more


def count(number: int, noun: str) -> str:
    """A number with its noun.

    Example:
        >>> count(1, "run"), count(3000, "run")
        ('1 run', '3,000 runs')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
