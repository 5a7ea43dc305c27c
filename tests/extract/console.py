"""What a user of `pid-extract` sees."""

import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from unittest.mock import patch

from pid_lvlm.extract.cli.main import main

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


def extract_command(*arguments: object) -> tuple[int, str, str]:
    """Run `pid-extract` in this process, for tests that cannot use the fixture `command`."""
    output, errors = StringIO(), StringIO()
    line = ["pid-extract", *map(str, arguments)]
    with patch.object(sys, "argv", line), redirect_stdout(output), redirect_stderr(errors):
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0), output.getvalue(), errors.getvalue()


def assert_readable(message: str) -> None:
    """Short enough to read, on lines of printable characters."""
    assert len(message) < 2000, len(message)
    assert all(line.isprintable() for line in message.split("\n")), ascii(message)
