"""The nearest known name for one that is not known: one rule for every command."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from pid_lvlm.data.command.shown import cut

LONGEST: Final = 200
COMPARED: Final = 1000
"""Characters of a name, and known names, that are compared: the time grows with both."""
MOST: Final = 60
"""Known names that are listed."""
FEW: Final = 12
"""Up to so many known names are listed beside a near one; a longer list would hide it."""


def suggestion(wrong: str, known: Iterable[str]) -> str:
    """The tail of a sentence about an unknown name: the nearest known one, and all of them if they are few.

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
    """The sentence about a name that is not one of the known ones.

    Args:
        what: what the name is, or the option that it was given to.
        name: what was given, of any length.
        known: the names that are possible.

    Example:
        >>> unknown_name("--preset: unknown value", "papr", ("default", "paper"))
        '--preset: unknown value `papr`; did you mean `paper`? known are default, paper'
    """
    return f"{what} `{cut(name)}`; {suggestion(name, known)}"


def near_names(wrong: str, known: Iterable[str]) -> list[str]:
    """Up to three known names similar to this one, the nearest first."""
    return get_close_matches(wrong[:LONGEST], sorted(known)[:COMPARED], n=3, cutoff=0.5)
