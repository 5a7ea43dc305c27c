"""Suggests the nearest known name for an unknown one: one rule for every command."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from pid_lvlm.data.command.shown import cut

LONGEST: Final = 200
COMPARED: Final = 1000
"""Maximum characters of a name, and known names, to compare: the time grows with both."""
MOST: Final = 60
"""Maximum number of known names listed."""
FEW: Final = 12
"""Maximum number of known names listed after a suggestion; a longer list would hide it."""


def suggestion(wrong: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the nearest known one, and all of them if they are few.

    Example:
        >>> suggestion("papr", ("default", "paper"))
        'did you mean `paper`? known are default, paper'
        >>> suggestion("x", ("default", "paper"))
        'known are default, paper'
    """
    names = sorted(known)
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    listed = f"known are {', '.join(map(cut, names[:MOST]))}{more}"
    if near := near_names(wrong, names):
        guess = f"did you mean `{cut(near[0])}`?"
        return guess if len(names) > FEW else f"{guess} {listed}"
    return listed


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """The message about an unknown name.

    Args:
        what: what the name is, or the option it was given for.
        name: what was given, of any length.
        known: the valid names.

    Example:
        >>> unknown_name("--preset: unknown value", "papr", ("default", "paper"))
        '--preset: unknown value `papr`; did you mean `paper`? known are default, paper'
    """
    return f"{what} `{cut(name)}`; {suggestion(name, known)}"


def near_names(wrong: str, known: Iterable[str]) -> list[str]:
    """Up to three similar known names, nearest first."""
    return get_close_matches(wrong[:LONGEST], sorted(known)[:COMPARED], n=3, cutoff=0.5)
