"""Rows of a dataset file (jsonl, json, csv, tsv, parquet), of several, or of a saved dataset, as mappings."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from data.errors import Problem
from extract.errors import Reason, RowError
from extract.readers import Row, file_error, read_file

HUB_PREFIX: Final = "hf:"
TYPED_KINDS: Final = (".parquet",)
"""Kinds of file that tell a missing value from a text; in the others an empty cell is what is missing."""
MARKS_OF_SAVED: Final = ("dataset_info.json", "dataset_dict.json")
"""Files that `save_to_disk` of the `datasets` library leaves in a folder."""


@dataclass(frozen=True)
class BadRow:
    """A row that cannot become an item: its number, what it is counted under, and the sentence."""

    number: int
    reason: Reason
    message: str

    @classmethod
    def of(cls, number: int, error: ValueError) -> "BadRow":
        """From what reading the row raised."""
        return cls(number, error.reason if isinstance(error, RowError) else Reason.OTHER_FORM, str(error))

    def problem(self, file: str) -> Problem:
        """As an entry of an error."""
        return Problem(file, self.message, row=self.number)


@dataclass(frozen=True)
class Table:
    """Rows with their numbers, and where they came from.

    Attributes:
        name: for messages.
        folder: where relative picture paths start.
        rows: number in the source (from 1) and content of each row.
        sha256: hash of the source's content.
        typed: missing values are told from texts.
        notes: what the user should know, one sentence each.
        read: rows of the source.
        bad: rows that a step could not use; they are no longer among `rows`.
    """

    name: str
    folder: Path
    rows: tuple[tuple[int, Row], ...]
    sha256: str = ""
    typed: bool = False
    notes: tuple[str, ...] = ()
    read: int = 0
    bad: tuple[BadRow, ...] = ()

    @property
    def columns(self) -> list[str]:
        """Every column that some row has, in order of appearance."""
        return list(dict.fromkeys(name for _, row in self.rows for name in row))

    def change(self, step: Callable[[Row], Row | None]) -> "Table":
        """Every row as `step` makes it from a copy; None leaves it out, and a ValueError makes it a bad row."""
        kept = []
        bad = []
        for number, row in self.rows:
            try:
                changed = step(dict(row))
            except ValueError as error:
                bad.append(BadRow.of(number, error))
                continue
            if changed is not None:
                kept.append((number, changed))
        return replace(self, rows=tuple(kept), bad=(*self.bad, *bad))

    def noted(self, *notes: str) -> "Table":
        """The same rows with further notes."""
        return replace(self, notes=(*self.notes, *notes))


def read_table(source: Path) -> Table:
    """Read a dataset.

    Args:
        source: a file; a folder of parquet files or one written by `save_to_disk`; a pattern such as
            `data/val-*.parquet`; or `hf:OWNER/NAME[:CONFIG]:SPLIT`.

    Raises:
        DatasetError: there is no such thing, or it is of an unknown kind, empty, or broken.
    """
    if str(source).startswith(HUB_PREFIX):
        from extract.saved import read_hub

        return _named_and_filled(read_hub(str(source)), source)
    if source.is_dir() and any((source / mark).is_file() for mark in MARKS_OF_SAVED):
        from extract.saved import read_saved

        return _named_and_filled(read_saved(source), source)
    files = _files(source)
    rows = [row for file in files for row in read_file(file)]
    digests = [hashlib.sha256(file.read_bytes()) for file in files]
    whole = digests[0] if len(digests) == 1 else hashlib.sha256(b"".join(digest.digest() for digest in digests))
    return _named_and_filled(
        Table(
            name=source.name,
            folder=source if source.is_dir() else source.parent,
            rows=numbered(rows),
            sha256=whole.hexdigest(),
            typed=files[0].suffix.lower() in TYPED_KINDS,
        ),
        source,
    )


def numbered(rows: Iterable[Row]) -> tuple[tuple[int, Row], ...]:
    """Rows with their numbers from 1."""
    return tuple(enumerate(rows, start=1))


def _named_and_filled(table: Table, source: Path) -> Table:
    """Blanks around column names removed; a table without rows is an error."""
    if not table.rows:
        raise file_error(source, "the file is empty; expected at least one item")
    table = replace(table, read=len(table.rows))
    if any(name != name.strip() for name in table.columns):
        return table.change(lambda row: {name.strip(): value for name, value in row.items()})
    return table


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    if source.is_dir():
        return _parquet_files(source)
    if "*" in source.name and (files := sorted(source.parent.glob(source.name))):
        return files
    raise file_error(source, "there is no such file; check the path")


def _parquet_files(folder: Path) -> list[Path]:
    """Shards of one split; a folder with several splits needs a choice."""
    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise file_error(folder, "the folder holds no *.parquet and no saved dataset; give the file itself")
    splits = sorted({file.name.partition("-")[0] for file in files if "-of-" in file.name})
    if len(splits) > 1:
        raise file_error(folder, f'the folder holds {", ".join(splits)}; choose one: "{folder / splits[0]}-*.parquet"')
    return files
