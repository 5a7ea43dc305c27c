"""How pid-estimate prints: names of runs and files as they are, whatever is in them."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from pid_lvlm.data.command.shown import count
from pid_lvlm.data.inputs.paths import matching_files
from pid_lvlm.data.names import UNTYPABLE

SHOWN: Final = 60
"""Characters of a name that are shown."""


class PlainConsole(Console):
    """A console without markup and emoji, on which a name such as `[red]` is those letters."""

    def __init__(self, *, stderr: bool = True, quiet: bool = False, **options: Any) -> None:
        options = {"soft_wrap": True} | options
        super().__init__(stderr=stderr, quiet=quiet, markup=False, emoji=False, highlight=False, **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, with characters that would move the cursor or hide text spelled out."""
        super().print(*(visible(item) if isinstance(item, str) else item for item in objects), **options)


def visible(text: str) -> str:
    """Text with invisible characters as Python spells them."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(repr(mark)[1:-1] if unicodedata.category(mark) in UNTYPABLE else mark for mark in text)


def short(name: str) -> str:
    """A name for a table: not all of a long one."""
    return visible(name if len(name) <= SHOWN else f"{name[: SHOWN - 1]}…")


def expand(console: Console, runs: Sequence[Path]) -> list[Path]:
    """The folders that are named, or that a pattern matches where none has that name."""
    found: list[Path] = []
    for path in runs:
        matched = [folder for folder in matching_files(path) if folder.is_dir()]
        if matched and matched != [path]:
            names = ", ".join(short(folder.name) for folder in matched[:5]) + (", …" if len(matched) > 5 else "")
            console.print(f"`{path}` is a pattern that matches {count(len(matched), 'folder')}: {names}")
        found += matched or [path]
    return found
