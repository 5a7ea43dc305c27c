"""Rows of a dataset file (jsonl, json, csv, tsv, parquet), of several, or of a saved dataset, as mappings."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pid_lvlm.data.errors import Fault
from pid_lvlm.extract.datasets.errors import Reason, RowError
from pid_lvlm.extract.datasets.sources.files import Row

HUB_PREFIX: Final = "hf:"


@dataclass(frozen=True)
class BadRow:
    """A row that is not a valid item: its number, its reason, and the sentence."""

    number: int
    reason: Reason
    message: str

    @classmethod
    def of(cls, number: int, error: ValueError) -> "BadRow":
        """Make it from the error that reading the row raised."""
        return cls(number, error.reason if isinstance(error, RowError) else Reason.OTHER_FORM, str(error))

    def fault(self, file: str) -> Fault:
        """Its text as an entry of an error."""
        return Fault(file, self.message, row=self.number)


@dataclass(frozen=True)
class Table:
    """Rows with their numbers, and where they came from.

    Attributes:
        name: for messages.
        folder: where relative picture paths start.
        rows: number in the source (from 1) and content of each row.
        sha256: hash of the source's content.
        typed: whether the format distinguishes missing values from text.
        notes: what the user should know, one sentence each.
        read: number of rows of the source.
        bad: rows that a step could not use; they are no longer in `rows`.
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
        """Columns of any row, in order of appearance."""
        return list(dict.fromkeys(name for _, row in self.rows for name in row))

    def change(self, step: Callable[[Row], Row | None]) -> "Table":
        """Apply `step` to a copy of every row; None drops the row, and a ValueError makes it a bad row."""
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
        """The same rows with additional notes."""
        return replace(self, notes=(*self.notes, *notes))


def numbered(rows: Iterable[Row]) -> tuple[tuple[int, Row], ...]:
    """Rows numbered from 1."""
    return tuple(enumerate(rows, start=1))
