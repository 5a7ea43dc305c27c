"""The nearest known name for one that is not known: one rule for every command."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

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
    listed = f"known are {', '.join(names)}"
    if near := near_names(wrong, names):
        guess = f"did you mean `{near[0]}`?"
        return guess if len(names) > FEW else f"{guess} {listed}"
    return listed


def near_names(wrong: str, known: Iterable[str]) -> list[str]:
    """Up to three known names similar to this one, the nearest first."""
    return get_close_matches(wrong, sorted(known), n=3, cutoff=0.5)
