"""Errors of dataset files, and the reasons by which bad rows are counted."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from pid_lvlm.data.command.shown import cut, shown_path
from pid_lvlm.data.errors import Fault, PidError

LINE: Final = 200
"""Maximum characters of a fault in a list of several."""


class DatasetError(PidError):
    """A dataset file cannot be used. `faults` lists everything that is wrong, not only the first fault.

    Args:
        file: as the user named it.
        faults: at least one.
        advice: what to do about all of them.
        shown: maximum number of faults to print.
    """

    def __init__(self, file: str, faults: Sequence[Fault], advice: str = "", shown: int = 8) -> None:
        self.file = file
        self.faults = tuple(faults)
        lines = [str(fault) for fault in self.faults[:shown]]
        if len(lines) > 1:
            lines = [cut(line, LINE) for line in lines]
        if len(self.faults) > shown:
            lines.append(f"… and {len(self.faults) - shown} more")
        head = f"dataset `{shown_path(file)}` cannot be used: "
        counted = " (rows counted from 1)" if any(fault.row is not None for fault in self.faults) else ""
        super().__init__(
            head
            + (lines[0] if len(lines) == 1 else "\n  - " + "\n  - ".join(lines))
            + counted
            + (f"; {advice}" if advice else "")
        )


class Reason(StrEnum):
    """Why a row is not a valid item: the categories of bad rows."""

    NO_PICTURE = "missing picture"
    BAD_PICTURE = "unreadable picture"
    SEVERAL_PICTURES = "several pictures"
    NO_QUESTION = "no question"
    FEW_OPTIONS = "fewer than two options"
    BAD_OPTIONS = "options cannot be told apart"
    NO_OPTION = "answer is not an option"
    AMBIGUOUS = "answer fits two options"
    REPEATED_ID = "repeated id"
    OTHER_FORM = "not in the benchmark's form"


class RowError(ValueError):
    """A row that is not a valid item; its text follows "row 3: "."""

    def __init__(self, reason: Reason, message: str) -> None:
        self.reason = reason
        super().__init__(message)
