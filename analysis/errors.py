"""Errors of this step that are for the user to fix; the text is written for them."""

from collections.abc import Sequence
from difflib import get_close_matches

from pid_lvlm.data.errors import PidError


class ResultTableError(PidError):
    """A result table cannot be used: which file, what was expected, what was found, what to do."""

    def __init__(self, file: str, message: str) -> None:
        self.file = file
        super().__init__(f"result table `{file}`: {message}")


class NothingToShowError(PidError):
    """A valid table has nothing for this figure or table to show; the text says what it would need."""


def nearest(name: str, known: Sequence[str]) -> str:
    """A clause that proposes what may have been meant, or an empty text where nothing comes close."""
    matches = get_close_matches(name, known, n=3, cutoff=0.6)
    return f"; the nearest columns are {', '.join(f'`{match}`' for match in matches)}" if matches else ""
