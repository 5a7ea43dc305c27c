"""From the rows of a table to items. A row that cannot become one is bad, with a reason and a sentence."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pid_lvlm.data.names import OPTION_LETTERS
from pid_lvlm.extract.datasets.answer_options import Options, cell_text, read_label, read_options
from pid_lvlm.extract.datasets.benchmarks.benchmark import ROTATION_FIELDS
from pid_lvlm.extract.datasets.column_mapping import THE_PICTURE, Columns
from pid_lvlm.extract.datasets.errors import Reason, RowError
from pid_lvlm.extract.datasets.images import open_picture, picture_source
from pid_lvlm.extract.datasets.item import Item
from pid_lvlm.extract.datasets.sources.table import BadRow, Row, Table


@dataclass(frozen=True)
class ItemReader:
    """How rows become items. What many rows share is decoded once.

    Attributes:
        columns: where the fields are.
        folder: where relative picture paths start.
        patterns: where a picture may lie in it; see `pid_lvlm.extract.datasets.images.places`.
        fixed: texts of the options, where all items have the same.
        first_index: what answers that are numbers count from.
        exact: keep blanks and line breaks around option texts.
        rotated: the benchmark asks every question several times; its steps left `ROTATION_FIELDS`.
    """

    columns: Columns
    folder: Path
    patterns: Sequence[str] = ("{name}",)
    fixed: tuple[str, ...] | None = None
    first_index: int = 0
    exact: bool = False
    rotated: bool = False
    _sources: dict[str, Path | bytes] = field(default_factory=dict)
    _broken: dict[Path | bytes, RowError | None] = field(default_factory=dict)
    _ids: dict[str, int] = field(default_factory=dict)

    def items(self, table: Table, limit: int | None, skip: bool) -> tuple[list[Item], list[BadRow]]:
        """Items of a table, and the bad rows among those that were looked at.

        Args:
            table: the rows.
            limit: stop after so many items; with bad rows that are not skipped, after so many rows.
            skip: bad rows are left out and the next ones taken in their place.
        """
        items: list[Item] = []
        bad: list[BadRow] = []
        last = 0
        for number, row in table.rows:
            if len(items) + (0 if skip else len(bad)) == limit:
                break
            last = number
            try:
                items.append(self.item(row, number))
            except ValueError as error:
                bad.append(BadRow.of(number, error))
        else:
            last = table.read
        earlier = [row for row in table.bad if row.number <= last]
        return items, sorted([*bad, *earlier], key=lambda row: row.number)

    def choices(self, table: Table) -> Iterator[tuple[str, int]]:
        """Letters of the options and index of the right one, of every row where they can be read."""
        for _, row in table.rows:
            try:
                options = self._options(row)
                yield options.letters, self._label(row, options)
            except ValueError:
                continue

    def item(self, row: Row, number: int) -> Item:
        """One item, its picture decoded and found whole.

        Raises:
            RowError: the row is bad.
        """
        question = cell_text(row.get(self.columns.question))
        if not question:
            message = f"the question (column `{self.columns.question}`) is empty"
            raise RowError(Reason.NO_QUESTION, message)
        options = self._options(row)
        label = self._label(row, options)
        picture = self._picture(row.get(self.columns.image))
        self._check_picture(picture)
        group = "" if self.columns.group == THE_PICTURE else self._text(row, self.columns.group)
        return Item(
            id=self._id(row, number),
            group=group or _picture_group(picture, self.folder),
            picture=picture,
            question=question,
            options=options.texts,
            label=label,
            hint=self._text(row, self.columns.hint),
            row=number,
            given_letters="" if options.letters == OPTION_LETTERS[: len(options.letters)] else options.letters,
            raw=self._text(row, self.columns.raw),
            **({name: row[name] for name in ROTATION_FIELDS} if self.rotated else {}),
        )

    def _text(self, row: Row, column: str | None) -> str:
        return cell_text(row.get(column)) if column else ""

    def _id(self, row: Row, number: int) -> str:
        name = self._text(row, self.columns.id) or str(number)
        first = self._ids.setdefault(name, number)
        if first != number:
            message = f"id {name!r} occurs twice (first in row {first})"
            raise RowError(Reason.REPEATED_ID, message)
        return name

    def _options(self, row: Row) -> Options:
        names = self.columns.options
        if self.fixed is not None:
            options = read_options(list(self.fixed))
        elif len(names) == 1:
            options = read_options(row.get(names[0]))
        else:
            letters = "".join(names) if all(name in set(OPTION_LETTERS) for name in names) else None
            options = read_options([row.get(name) for name in names], letters)
        return options if self.exact else replace(options, texts=tuple(text.strip() for text in options.texts))

    def _label(self, row: Row, options: Options) -> int:
        return read_label(row.get(self.columns.answer), options, self.first_index) if self.columns.answer else -1

    def _picture(self, cell: Any) -> Path | bytes:
        if not isinstance(cell, str):
            return picture_source(cell, self.folder, self.patterns)
        if cell not in self._sources:
            self._sources[cell] = picture_source(cell, self.folder, self.patterns)
        return self._sources[cell]

    def _check_picture(self, picture: Path | bytes) -> None:
        """Decode each picture once: a damaged one must not stop a run that has been going for hours."""
        if picture not in self._broken:
            try:
                open_picture(picture)
                self._broken[picture] = None
            except RowError as error:
                self._broken[picture] = error
        if (found := self._broken[picture]) is not None:
            raise RowError(found.reason, str(found))


def _picture_group(picture: Path | bytes, folder: Path) -> str:
    """A name of the picture that is the same on every machine."""
    if isinstance(picture, bytes):
        return hashlib.sha256(picture).hexdigest()[:16]
    return picture.relative_to(folder).as_posix() if picture.is_relative_to(folder) else picture.name
