"""Values as messages repeat them: on one line, without control characters, and not all of a long one."""

from collections.abc import Iterable
from typing import Any, Final

from pid_lvlm.data.errors import printable

SHOWN: Final = 80
"""Characters of a value that a message repeats."""
PATH_SHOWN: Final = 300
"""Characters of a path: more than of other values, since its end says which file it is."""
LISTED: Final = 20
"""Names that a message lists."""


def shown(value: Any) -> str:
    """A value as Python writes it, cut."""
    try:
        text = repr(value if not isinstance(value, str | bytes) else value[: SHOWN + 1])
    except (ValueError, RecursionError):  # an integer of more digits than Python prints
        text = f"a {type(value).__name__}"
    return cut(text)


def cut(text: str, most: int = SHOWN) -> str:
    r"""A text on one line, cut; what cannot be printed is escaped.

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
    """A path, of a very long one its beginning and its end."""
    text = str(path)
    half = PATH_SHOWN // 2
    if len(text) > PATH_SHOWN:
        text = f"{text[: half - 1]}…{text[-half:]}"
    return cut(text, PATH_SHOWN * 10)


def backticked(names: Iterable[str]) -> str:
    """Names in backticks; of many the first ones and how many more there are."""
    names = list(names)
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(f"`{cut(str(name))}`" for name in names[:LISTED]) + more


def count(number: int, noun: str) -> str:
    """A number and its noun.

    Example:
        >>> count(1, "run"), count(3000, "run")
        ('1 run', '3,000 runs')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
