"""Makes outside text safe to display: removes what would confuse a terminal, a page or a chart."""

import unicodedata
from typing import Final

from pid_lvlm.data.names import UNTYPABLE

_JOINERS: Final = "\u200c\u200d"
"""Format characters that Persian and many Indian scripts need; they only join or separate their neighbours."""

_PICTURES: Final = 0x2400
"""Where Unicode's pictures of the control characters begin, such as ␛ of U+001B."""


def displayable(text: str, most: int | None = None, *, keep: str = "") -> str:
    r"""A text without invisible characters, shortened if needed.

    Args:
        text: what came from outside.
        most: maximum characters to show; a longer text ends in `…`.
        keep: control characters that may stay, such as line breaks.

    Example:
        >>> displayable("a\x1b[31mb\u202ec\ud800")
        'a␛[31mb\\u202ec\\ud800'
        >>> displayable("a long name", 6)
        'a lon…'
    """
    shown = text if most is None else text[: most + 1]
    if not (shown.isascii() and shown.isprintable()):
        shown = "".join(mark if mark in keep or not _unshown(mark) else _picture(mark) for mark in shown)
    return shown if most is None or len(shown) <= most else f"{shown[: most - 1]}…"


def _unshown(mark: str) -> bool:
    return unicodedata.category(mark) in UNTYPABLE and mark not in _JOINERS


def _picture(mark: str) -> str:
    code = ord(mark)
    if code < 0x20:
        return chr(_PICTURES + code)
    if code == 0x7F:
        return "␡"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
