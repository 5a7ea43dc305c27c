"""What a user of `pid-extract` sees."""

from collections.abc import Callable

Command = Callable[..., tuple[int, str, str]]
"""Runs `pid-extract` with arguments; gives exit code, standard output and standard error."""


def assert_one_sentence(result: tuple[int, str, str], *parts: str) -> None:
    """Bad input: exit code 2, one line on standard error that says all of `parts`, nothing on standard output."""
    code, output, errors = result
    assert (code, output) == (2, "")
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1, errors
    for part in parts:
        assert part in errors, errors
