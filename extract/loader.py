"""From a benchmark file to checked items. Every problem of every row is found before a model is loaded."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from data.errors import Problem
from data.names import OPTION_LETTERS
from extract.benchmarks.registry import BENCHMARKS, get_benchmark
from extract.benchmarks.spec import FIELDS, Benchmark, likely_benchmark
from extract.benchmarks.steps import keep
from extract.card import Card, read_card
from extract.columns import THE_PICTURE, Columns, resolve_columns
from extract.config import DatasetSpec
from extract.errors import DatasetError
from extract.images import MissingPictureError, PictureError, open_picture, picture_source
from extract.items import Dataset, Item
from extract.options import Options, cell_text, read_label, read_options
from extract.tables import HUB_PREFIX, Row, Table, read_table


def load_dataset(spec: DatasetSpec, limit: int | None = None) -> Dataset:
    """Read and check a dataset.

    Args:
        spec: the file or card, and how to read it.
        limit: keep only the first items.

    Raises:
        DatasetError: lists every problem of the items that are kept.
        UsageError: the benchmark named does not exist.
    """
    card = read_card(spec.file) if spec.file.suffix.lower() == ".toml" else Card(None, spec.file)
    name = spec.benchmark or card.benchmark
    benchmark = None if name is None else get_benchmark(name)
    table = read_table(card.file)
    for column, values in card.where.items():
        table = keep(column, *values)(table)
    if benchmark is not None:
        table = benchmark.apply(table, [other for other in BENCHMARKS.values() if other is not benchmark])
    reader = _ItemReader(
        columns=_columns(table, benchmark, card, spec),
        folder=_picture_folder(spec, card, table),
        patterns=("{name}",) if benchmark is None else benchmark.pictures,
        fixed=card.options,
        first_index=card.first_index,
        exact=benchmark is not None and benchmark.exact_options,
    )
    items, problems = _read_items(replace(table, rows=table.rows[:limit]), reader)
    problems += _duplicate_problems(items, table.name) + _picture_problems(items, table.name)
    if problems:
        problems += [] if benchmark is not None else _benchmark_hint(table, card.file)
        raise DatasetError(str(spec.file), sorted(problems, key=lambda problem: problem.row or 0))
    return Dataset(
        name=card.name or _default_name(benchmark, card.file),
        file=table.name,
        sha256=table.sha256,
        items=tuple(items),
        prompt=card.prompt or (benchmark.prompt if benchmark else None),
        split=card.split or (benchmark.split if benchmark else None),
        planted=card.planted,
        notes=table.notes,
    )


def _default_name(benchmark: Benchmark | None, file: Path) -> str:
    if benchmark is not None and not benchmark.named_by_file:
        return benchmark.name
    text = str(file)
    if text.startswith(HUB_PREFIX):
        return text.removeprefix(HUB_PREFIX).split(":")[0].rpartition("/")[2]
    return file.stem.rstrip("-*")


def _columns(table: Table, benchmark: Benchmark | None, card: Card, spec: DatasetSpec) -> Columns:
    """Where the fields of an item are: as the benchmark's steps left them, unless card or command say otherwise."""
    known: dict[str, str] = {} if benchmark is None else {name: name for name in FIELDS if name in table.columns}
    named: dict[str, str] = {**known, **card.columns, **spec.columns}
    if card.options is not None and "options" not in table.columns:
        named["options"] = table.columns[0]  # never read: every item has the card's options
    return resolve_columns(table.name, table.columns, named, usual=benchmark is None)


def _picture_folder(spec: DatasetSpec, card: Card, table: Table) -> Path:
    folder = spec.images or card.images
    if folder is None:
        return table.folder
    if not folder.is_dir():
        message = f"there is no picture folder `{folder}`; pass the folder that holds the pictures with --images"
        raise DatasetError(str(spec.file), [Problem(table.name, message)])
    return folder


@dataclass(frozen=True)
class _ItemReader:
    """How one row becomes an item. Cells that many rows share are decoded once."""

    columns: Columns
    folder: Path
    patterns: Sequence[str]
    fixed: tuple[str, ...] | None
    first_index: int
    exact: bool
    pictures: dict[str, Path | bytes] = field(default_factory=dict)

    def item(self, row: Row, number: int) -> Item:
        columns = self.columns
        question = cell_text(row.get(columns.question))
        if not question:
            message = f"the question (column `{columns.question}`) is empty"
            raise ValueError(message)
        options = self._options(row)
        picture = self._picture(row.get(columns.image))
        group = "" if columns.group in (None, THE_PICTURE) else cell_text(row.get(columns.group))
        return Item(
            id=self._text(row, columns.id) or str(number),
            group=group or _picture_group(picture, self.folder),
            picture=picture,
            question=question,
            options=options.texts,
            label=read_label(row.get(columns.answer), options, self.first_index) if columns.answer else -1,
            hint=self._text(row, columns.hint),
            row=number,
            given_letters="" if options.letters == OPTION_LETTERS[: len(options.letters)] else options.letters,
            raw=self._text(row, columns.raw),
        )

    def _text(self, row: Row, column: str | None) -> str:
        return cell_text(row.get(column)) if column else ""

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

    def _picture(self, cell: Any) -> Path | bytes:
        if not isinstance(cell, str):
            return picture_source(cell, self.folder, self.patterns)
        if cell not in self.pictures:
            self.pictures[cell] = picture_source(cell, self.folder, self.patterns)
        return self.pictures[cell]


def _read_items(table: Table, reader: _ItemReader) -> tuple[list[Item], list[Problem]]:
    items = []
    problems = []
    missing = []
    for number, row in table.rows:
        try:
            items.append(reader.item(row, number))
        except MissingPictureError as error:
            missing.append(Problem(table.name, str(error), row=number))
        except ValueError as error:  # PictureError is one
            problems.append(Problem(table.name, str(error), row=number))
    if len(missing) > 1 and not items:  # one cause, not as many as there are rows
        message = f"no picture was found; in the first of {len(missing)} rows {str(missing[0]).partition(': ')[2]}"
        missing = [Problem(table.name, message)]
    return items, problems + missing


def _benchmark_hint(table: Table, file: Path) -> list[Problem]:
    """A file of a known benchmark that was given as any file; few columns fit too many of them."""
    likely = likely_benchmark(table.columns, [known for known in BENCHMARKS.values() if len(known.needed) > 4])
    if likely is None:
        return []
    return [Problem(table.name, f"it looks like {likely.title}: --data {likely.name}={file}")]


def _picture_group(picture: Path | bytes, folder: Path) -> str:
    """A name of the picture that is the same on every machine."""
    if isinstance(picture, bytes):
        return hashlib.sha256(picture).hexdigest()[:16]
    return picture.relative_to(folder).as_posix() if picture.is_relative_to(folder) else picture.name


def _duplicate_problems(items: Sequence[Item], file: str) -> list[Problem]:
    first: dict[str, int] = {}
    problems = []
    for item in items:
        if item.id in first:
            problems.append(Problem(file, f"id {item.id!r} occurs twice (first in row {first[item.id]})", row=item.row))
        first.setdefault(item.id, item.row)
    return problems


def _picture_problems(items: Sequence[Item], file: str) -> list[Problem]:
    """Decode each picture once: a damaged one must not stop a run that has been going for hours."""
    problems = []
    checked: set[Path | bytes] = set()
    for item in items:
        if item.picture in checked:
            continue
        checked.add(item.picture)
        try:
            open_picture(item.picture)
        except PictureError as error:
            problems.append(Problem(file, str(error), row=item.row))
    return problems
