"""Errors of this step that are the user's to mend; the text is written for them."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from data.errors import PidError, Problem


class UsageError(PidError):
    """An option or a settings file asks for something that does not exist or does not fit together."""


class ModelError(PidError):
    """A model cannot be loaded or read by the adapter of its family."""


class DatasetError(PidError):
    """A dataset file cannot be used. `problems` lists everything that is wrong, not only the first."""

    def __init__(self, file: str, problems: Sequence[Problem], shown: int = 8) -> None:
        self.file = file
        self.problems = tuple(problems)
        lines = [str(problem) for problem in self.problems[:shown]]
        if len(self.problems) > shown:
            lines.append(f"… and {len(self.problems) - shown} more")
        head = f"dataset `{file}` cannot be used: "
        counted = " (rows counted from 1)" if any(problem.row is not None for problem in self.problems) else ""
        super().__init__(head + (lines[0] if len(lines) == 1 else "\n  - " + "\n  - ".join(lines)) + counted)


def suggestion(wrong: str, known: Iterable[str]) -> str:
    """A sentence's tail that names the nearest known name and lists them all."""
    names = sorted(known)
    near = near_names(wrong, names)
    guess = f"did you mean `{near[0]}`? " if near else ""
    return f"{guess}known are {', '.join(names)}"


def near_names(wrong: str, known: Iterable[str]) -> list[str]:
    """Up to three known names like this one, the nearest first."""
    return get_close_matches(wrong, sorted(known), n=3, cutoff=0.5)
