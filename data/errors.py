"""Errors that a user can fix. Commands print their message and exit with code 2, without a traceback."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


class PidError(Exception):
    """Base class of all errors whose message is written for the user.

    Values quoted from files and options may contain anything, so control characters are escaped.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(printable(message, keep="\n"))


def printable(text: str, keep: str = "") -> str:
    r"""A text with control characters and lone surrogates escaped.

    Args:
        text: what came from outside.
        keep: control characters that may stay.

    Example:
        >>> printable("two" + chr(10) + "lines")
        'two\\nlines'
    """
    if text.isprintable():
        return text
    return "".join(mark if mark.isprintable() or mark in keep else repr(mark)[1:-1] for mark in text)


ARGUMENTS: Final = "arguments"
"""Replaces the file name in faults of arguments."""


@dataclass(frozen=True)
class Fault:
    """One fault of a run folder, or of arguments for one: where, what was expected and found, what to do."""

    file: str
    message: str
    array: str | None = None
    row: int | None = None

    def __str__(self) -> str:
        where = self.file if self.file == ARGUMENTS else f"`{self.file}`"
        if self.array is not None:
            where = f"argument `{self.array}`" if self.file == ARGUMENTS else f"{where}, array `{self.array}`"
        if self.row is not None:
            where += f", row {self.row}"
        return f"{where}: {self.message}"


class ContractError(PidError):
    """A run folder, or arguments for one, are invalid. `faults` lists everything that is wrong."""

    def __init__(self, folder: str, faults: Sequence[Fault], shown: int = 8) -> None:
        self.folder = folder
        self.faults = tuple(faults)
        lines = [str(fault) for fault in self.faults[:shown]]
        if len(self.faults) > shown:
            lines.append(f"… and {len(self.faults) - shown} more")
        is_argument = any(fault.file == ARGUMENTS for fault in self.faults)
        head = f"run folder `{folder}` cannot be {'written' if is_argument else 'used'}: "
        super().__init__(head + (lines[0] if len(lines) == 1 else "\n  - " + "\n  - ".join(lines)))


class RunArgumentsError(ContractError, ValueError, TypeError):
    """Arguments for a run folder are invalid. Also a ValueError and a TypeError, as Python callers expect."""


class OutputExistsError(PidError):
    """The output already exists and was not written by this program; it is not touched."""
