"""Rows of a dataset file (jsonl, json, csv, tsv, parquet), of several, or of a saved dataset, as mappings."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from data.errors import Problem
from extract.errors import DatasetError, Reason, RowError, suggestion

Row = dict[str, Any]

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

        return _named_and_filled(read_hub(str(source)))
    if source.is_dir() and any((source / mark).is_file() for mark in MARKS_OF_SAVED):
        from extract.saved import read_saved

        return _named_and_filled(read_saved(source))
    files = _files(source)
    rows = [row for file in files for row in _read_file(file)]
    digests = [hashlib.sha256(file.read_bytes()) for file in files]
    whole = digests[0] if len(digests) == 1 else hashlib.sha256(b"".join(digest.digest() for digest in digests))
    return _named_and_filled(
        Table(
            name=source.name,
            folder=source if source.is_dir() else source.parent,
            rows=numbered(rows),
            sha256=whole.hexdigest(),
            typed=files[0].suffix.lower() in TYPED_KINDS,
        )
    )


def numbered(rows: Iterable[Row]) -> tuple[tuple[int, Row], ...]:
    """Rows with their numbers from 1."""
    return tuple(enumerate(rows, start=1))


def _named_and_filled(table: Table) -> Table:
    """Blanks around column names removed; a table without rows is an error."""
    if not table.rows:
        raise _error(Path(table.name), "the file is empty; expected at least one item")
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
    raise _error(source, "there is no such file; check the path")


def _parquet_files(folder: Path) -> list[Path]:
    """Shards of one split; a folder with several splits needs a choice."""
    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise _error(folder, "the folder holds no *.parquet and no saved dataset; give the file itself")
    splits = sorted({file.name.partition("-")[0] for file in files if "-of-" in file.name})
    if len(splits) > 1:
        raise _error(folder, f'the folder holds {", ".join(splits)}; choose one: "{folder / splits[0]}-*.parquet"')
    return files


def _read_file(path: Path) -> list[Row]:
    kind = path.suffix.lower()
    if kind not in READERS:
        raise _error(path, f"unknown kind `{kind}`; {suggestion(kind, READERS)}")
    return READERS[kind](path)


def _read_json(path: Path) -> list[Row]:
    """A JSON list, or JSON Lines under that name (as POPE's files are)."""
    text = path.read_text(encoding="utf-8-sig")
    if not text.lstrip().startswith("["):
        return _json_rows(path, enumerate(text.split("\n"), start=1))
    try:
        found = json.loads(text)
    except ValueError as error:
        raise _error(path, f"is not JSON ({error})") from None
    if not all(isinstance(row, dict) for row in found):
        raise _error(path, "expected a list of JSON objects with named fields")
    return list(found)


def _read_jsonl(path: Path) -> list[Row]:
    with path.open(encoding="utf-8-sig") as file:
        return _json_rows(path, enumerate(file, start=1))


def _json_rows(path: Path, lines: Iterable[tuple[int, str]]) -> list[Row]:
    rows = []
    problems = []
    for number, line in lines:
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            problems.append(Problem(path.name, f"is not JSON ({error})", row=number))
            continue
        if isinstance(row, dict):
            rows.append(row)
        else:
            problems.append(Problem(path.name, "expected a JSON object with named fields", row=number))
    if problems:
        raise DatasetError(str(path), problems)
    return rows


def _read_with_polars(reader: str, **options: Any) -> Callable[[Path], list[Row]]:
    def read(path: Path) -> list[Row]:
        import polars as pl

        try:
            rows: list[Row] = getattr(pl, reader)(path, **options).to_dicts()
        except pl.exceptions.NoDataError:
            return []
        except (pl.exceptions.PolarsError, OSError) as error:
            reason = str(error).partition("\n")[0]
            raise _error(path, f"cannot be read ({reason})") from None
        return rows

    return read


def _error(source: Path, message: str) -> DatasetError:
    return DatasetError(str(source), [Problem(source.name, message)])


# No type is guessed in text tables: `None`, `NA` and `nan` are words there, and may be the text of an option.
READERS: Final[dict[str, Callable[[Path], list[Row]]]] = {
    ".jsonl": _read_jsonl,
    ".json": _read_json,
    ".csv": _read_with_polars("read_csv", infer_schema=False),
    ".tsv": _read_with_polars("read_csv", infer_schema=False, separator="\t"),
    ".parquet": _read_with_polars("read_parquet"),
}
