"""The nearest known name for one that is not known: one rule for every command."""

from collections.abc import Iterable
from difflib import get_close_matches


def suggestion(wrong: str, known: Iterable[str]) -> str:
    """A sentence's tail that names the nearest known name and lists them all."""
    names = sorted(known)
    near = near_names(wrong, names)
    guess = f"did you mean `{near[0]}`? " if near else ""
    return f"{guess}known are {', '.join(names)}"


def near_names(wrong: str, known: Iterable[str]) -> list[str]:
    """Up to three known names like this one, the nearest first."""
    return get_close_matches(wrong, sorted(known), n=3, cutoff=0.5)
