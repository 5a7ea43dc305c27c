"""Turns rows of a table into items. A row that is not a valid item is bad, with a reason and a sentence."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from pid_lvlm.data.bounds import ITEM_ID, PIXELS
from pid_lvlm.data.command.shown import backticked, shown
from pid_lvlm.data.names import OPTION_LETTERS
from pid_lvlm.extract.datasets.answer_options import Options, index_of, plain_text, read_label, read_options
from pid_lvlm.extract.datasets.benchmarks.benchmark import ROTATION_FIELDS
from pid_lvlm.extract.datasets.column_mapping import THE_PICTURE, Columns
from pid_lvlm.extract.datasets.errors import Reason, RowError
from pid_lvlm.extract.datasets.images import CheckedPicture, check_picture
from pid_lvlm.extract.datasets.item import Item
from pid_lvlm.extract.datasets.picture_cells import picture_source
from pid_lvlm.extract.datasets.sources.files import CONTROL
from pid_lvlm.extract.datasets.sources.table import BadRow, Row, Table

NAN_WORDS: Final = "{count} cells hold the word nan as a question, hint, group or option, and were read as that word"
NUMBERS_AS_TEXT: Final = (
    "{count} answers are a number that is the text of one option and the index of another; they were read as text"
)


@dataclass(frozen=True)
class ItemReader:
    """Turns rows into items. Pictures shared by many rows are decoded once.

    Attributes:
        columns: the columns of the fields.
        folder: where relative picture paths start.
        patterns: where pictures may be in it; see `pid_lvlm.extract.datasets.picture_cells.places`.
        fixed: texts of the options, if all items share them.
        first_index: what numeric answers count from, if stated.
        by_rule: whether the benchmark's rules define what an answer means.
        exact: whether to keep blanks and line breaks around option texts.
        rotated: whether the benchmark asks every question several times; its steps then set `ROTATION_FIELDS`.
        max_pixels: maximum number of pixels of a picture to decode.
    """

    columns: Columns
    folder: Path
    patterns: Sequence[str] = ("{name}",)
    fixed: tuple[str, ...] | None = None
    first_index: int | None = None
    by_rule: bool = False
    exact: bool = False
    rotated: bool = False
    max_pixels: int = PIXELS.most
    _sources: dict[str, Path | bytes] = field(default_factory=dict)
    _checked: dict[Path | bytes, CheckedPicture | RowError] = field(default_factory=dict)
    _ids: dict[str, int] = field(default_factory=dict)
    _noticed: Counter[str] = field(default_factory=Counter)

    def items(self, table: Table, limit: int | None, skip: bool) -> tuple[list[Item], list[BadRow]]:
        """Items of a table, and the bad rows among those read.

        Args:
            table: the rows.
            limit: stop after this many items, or, if there are bad rows that are not skipped, after this many rows.
            skip: whether to skip bad rows and take the next ones instead.
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
        """Letters of the options and index of the right one, for every readable row."""
        for _, row in table.rows:
            try:
                options = self._options(row)
                yield options.letters, self._label(row, options)
            except ValueError:
                continue

    def item(self, row: Row, number: int) -> Item:
        """One item, after decoding its picture completely.

        Raises:
            RowError: the row is bad.
        """
        question = self._text(row, self.columns.question, "the question")
        if not question:
            message = f"the question (column {backticked([self.columns.question])}) is empty"
            raise RowError(Reason.NO_QUESTION, message)
        options = self._options(row)
        label = self._label(row, options)
        picture = self._picture(row.get(self.columns.image))
        checked = self._check_picture(picture)
        group = "" if self.columns.group == THE_PICTURE else self._name(row, self.columns.group, "group")
        item = Item(
            id=self._id(row, number),
            group=group or _picture_group(picture, checked, self.folder),
            picture=picture,
            question=question,
            options=options.texts,
            label=label,
            hint=self._text(row, self.columns.hint, "the hint"),
            row=number,
            given_letters="" if options.letters == OPTION_LETTERS[: len(options.letters)] else options.letters,
            raw=self._text(row, self.columns.raw, "the prompt `raw`"),
            picture_sha256=checked.sha256,
            max_pixels=self.max_pixels,
            **({name: row[name] for name in ROTATION_FIELDS} if self.rotated else {}),
        )
        self._notice(row, item, options)
        return item

    def notes(self) -> list[str]:
        """What the user should know about the items read, one sentence each."""
        several = sum(isinstance(one, CheckedPicture) and one.several for one in self._checked.values())
        frames = (
            [f"{several} pictures are animations or have several pages; the first frame is used"] if several else []
        )
        return [*frames, *(text.format(count=count) for text, count in self._noticed.items())]

    def _notice(self, row: Row, item: Item, options: Options) -> None:
        """Count values that can be read in two ways."""
        texts = (item.question, item.hint, item.group, *item.options)
        if words := sum(text.casefold() == "nan" for text in texts):
            self._noticed[NAN_WORDS] += words
        answer = row.get(self.columns.answer) if self.columns.answer else None
        if isinstance(answer, str) and not self.by_rule:
            counted = index_of(answer.strip(), options, self.first_index)
            self._noticed[NUMBERS_AS_TEXT] += counted is not None and counted != item.label
            if not self._noticed[NUMBERS_AS_TEXT]:
                del self._noticed[NUMBERS_AS_TEXT]

    def _text(self, row: Row, column: str | None, what: str) -> str:
        return plain_text(row.get(column), what) if column else ""

    def _name(self, row: Row, column: str | None, what: str) -> str:
        """Check a text that the run folder stores for every item."""
        name = self._text(row, column, f"the {what}")
        if len(name) > ITEM_ID.most:
            message = f"the {what} {shown(name)} has {len(name):,} characters; at most {ITEM_ID} are possible"
            raise RowError(Reason.OTHER_FORM, message)
        if (mark := CONTROL.search(name)) is not None:
            message = f"the {what} {shown(name)} contains the control character {mark[0]!r}; remove it"
            raise RowError(Reason.OTHER_FORM, message)
        return name

    def _id(self, row: Row, number: int) -> str:
        name = self._name(row, self.columns.id, "id") or str(number)
        first = self._ids.setdefault(name, number)
        if first != number:
            message = f"id {shown(name)} occurs twice (first in row {first})"
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
        if not self.columns.answer:
            return -1
        return read_label(row.get(self.columns.answer), options, self.first_index, by_rule=self.by_rule)

    def _picture(self, cell: Any) -> Path | bytes:
        if not isinstance(cell, str):
            return picture_source(cell, self.folder, self.patterns)
        if cell not in self._sources:
            self._sources[cell] = picture_source(cell, self.folder, self.patterns)
        return self._sources[cell]

    def _check_picture(self, picture: Path | bytes) -> CheckedPicture:
        """Decode each picture once: a damaged one must not stop a run after hours."""
        if picture not in self._checked:
            try:
                self._checked[picture] = check_picture(picture, self.max_pixels)
            except RowError as error:
                self._checked[picture] = error
        found = self._checked[picture]
        if isinstance(found, RowError):
            raise RowError(found.reason, str(found))
        return found


def _picture_group(picture: Path | bytes, checked: CheckedPicture, folder: Path) -> str:
    """A name for the picture that is the same on every machine."""
    if isinstance(picture, bytes):
        return checked.sha256[:16]
    return picture.relative_to(folder).as_posix() if picture.is_relative_to(folder) else picture.name
