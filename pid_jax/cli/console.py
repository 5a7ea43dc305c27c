"""Printing for pid-estimate: names of runs and files appear verbatim, whatever they contain."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from pid_lvlm.data.command.shown import count
from pid_lvlm.data.inputs.paths import matching_files
from pid_lvlm.data.names import UNTYPABLE

SHOWN: Final = 60
"""Maximum number of characters of a name to show."""


class PlainConsole(Console):
    """A console without markup and emoji, which prints a name such as `[red]` literally."""

    def __init__(self, *, stderr: bool = True, quiet: bool = False, **options: Any) -> None:
        options = {"soft_wrap": True} | options
        super().__init__(stderr=stderr, quiet=quiet, markup=False, emoji=False, highlight=False, **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, spelling out characters that would move the cursor or hide text."""
        super().print(*(visible(item) if isinstance(item, str) else item for item in objects), **options)


def visible(text: str) -> str:
    """Text with invisible characters escaped as in Python."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(repr(mark)[1:-1] if unicodedata.category(mark) in UNTYPABLE else mark for mark in text)


def short(name: str) -> str:
    """A name for a table, shortened if long."""
    return visible(name if len(name) <= SHOWN else f"{name[: SHOWN - 1]}…")


def expand(console: Console, runs: Sequence[Path]) -> list[Path]:
    """The folders given; a name that does not exist is treated as a pattern."""
    found: list[Path] = []
    for path in runs:
        matched = [folder for folder in matching_files(path) if folder.is_dir()]
        if matched and matched != [path]:
            names = ", ".join(short(folder.name) for folder in matched[:5]) + (", …" if len(matched) > 5 else "")
            console.print(f"`{path}` is a pattern that matches {count(len(matched), 'folder')}: {names}")
        found += matched or [path]
    return found
