"""Errors of this step that the user can fix; the text is written for the user."""

from pid_lvlm.data.command.shown import shown_path
from pid_lvlm.data.errors import PidError


class ResultTableError(PidError):
    """A result table cannot be used: which file, what was expected, what was found, what to do."""

    def __init__(self, file: str, message: str) -> None:
        self.file = file
        super().__init__(f"result table `{file}`: {message}")


class NothingToShowError(PidError):
    """A valid table has nothing for this figure or table to show; the text says what is missing."""


class ItemTableError(PidError):
    """A table of atoms per item cannot be used: which file, what was expected, what was found, what to do."""

    def __init__(self, file: str, message: str) -> None:
        self.file = file
        super().__init__(f"atoms per item `{shown_path(file)}`: {message}")


class LossesError(PidError):
    """The losses of a training cannot be used: which file, what was expected, what was found, what to do."""

    def __init__(self, file: str, message: str) -> None:
        self.file = file
        super().__init__(f"losses `{shown_path(file)}`: {message}")
