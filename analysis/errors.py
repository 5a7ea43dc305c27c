"""What can go wrong in this step through no fault of the code."""

from pid_lvlm.data.errors import PidError


class ResultTableError(PidError):
    """A result table cannot be used: which file, what was expected, what was found, what to do."""

    def __init__(self, file: str, message: str) -> None:
        self.file = file
        super().__init__(f"result table `{file}`: {message}")


class NothingToShowError(PidError):
    """The table is sound but holds nothing that this figure or table could show; the text says what would."""
