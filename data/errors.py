"""Errors that are the user's to mend. A command prints their text and leaves with code 2, without a traceback."""

from collections.abc import Sequence
from dataclasses import dataclass


class PidError(Exception):
    """Base of every error whose message is written for the user of a command."""


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a run folder: where it is, what was expected and found, what to do."""

    file: str
    message: str
    array: str | None = None
    row: int | None = None

    def __str__(self) -> str:
        where = f"`{self.file}`"
        if self.array is not None:
            where += f", array `{self.array}`"
        if self.row is not None:
            where += f", row {self.row}"
        return f"{where}: {self.message}"


class ContractError(PidError):
    """A run folder breaks the contract. `faults` lists everything that is wrong, not only the first."""

    def __init__(self, folder: str, faults: Sequence[Fault], shown: int = 8) -> None:
        self.folder = folder
        self.faults = tuple(faults)
        lines = [str(fault) for fault in self.faults[:shown]]
        if len(self.faults) > shown:
            lines.append(f"… and {len(self.faults) - shown} more")
        head = f"run folder `{folder}` cannot be used: "
        super().__init__(head + (lines[0] if len(lines) == 1 else "\n  - " + "\n  - ".join(lines)))


class OutputExistsError(PidError):
    """The place to write to holds something that is not ours; it is left untouched."""
