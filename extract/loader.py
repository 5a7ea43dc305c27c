"""From a benchmark file to checked items. Every problem of every row is found before a model is loaded."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data.errors import Problem
from data.names import OPTION_LETTERS
from extract.card import Card, read_card
from extract.columns import Columns, resolve_columns
from extract.config import DatasetSpec
from extract.errors import DatasetError
from extract.images import PictureError, open_picture, picture_source
from extract.items import Dataset, Item
from extract.tables import Row, read_rows


def load_dataset(spec: DatasetSpec, limit: int | None = None) -> Dataset:
    """Read and check a dataset.

    Args:
        spec: the file or card, and how to read it.
        limit: keep only the first items.

    Raises:
        DatasetError: lists every problem of the items that are kept.
    """
    card = read_card(spec.file) if spec.file.suffix.lower() == ".toml" else Card(spec.file.stem, spec.file)
    rows = read_rows(card.file)
    columns = resolve_columns(card.file.name, _column_names(rows), {**card.columns, **spec.columns})
    folder = spec.images or card.images or card.file.parent
    items, problems = _read_items(rows[:limit], columns, folder, card.file.name)
    problems += _duplicate_problems(items, card.file.name) + _picture_problems(items, card.file.name)
    if problems:
        raise DatasetError(str(spec.file), sorted(problems, key=lambda problem: problem.row or 0))
    return Dataset(
        name=card.name,
        file=card.file.name,
        sha256=hashlib.sha256(card.file.read_bytes()).hexdigest(),
        items=tuple(items),
        prompt=card.prompt,
        split=card.split,
        planted=card.planted,
    )


def _column_names(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _read_items(rows: Sequence[Row], columns: Columns, folder: Path, file: str) -> tuple[list[Item], list[Problem]]:
    items = []
    problems = []
    for number, row in enumerate(rows, start=1):
        try:
            items.append(_read_item(row, number, columns, folder))
        except ValueError as error:  # PictureError is one
            problems.append(Problem(file, str(error), row=number))
    return items, problems


def _read_item(row: Row, number: int, columns: Columns, folder: Path) -> Item:
    question = _text(row.get(columns.question))
    if not question:
        message = f"the question (column `{columns.question}`) is empty"
        raise ValueError(message)
    options = _options(row, columns)
    picture = picture_source(row.get(columns.image), folder)
    group = _text(row.get(columns.group)) if columns.group else ""
    return Item(
        id=(_text(row.get(columns.id)) if columns.id else "") or str(number),
        group=group or _picture_group(picture, folder),
        picture=picture,
        question=question,
        options=options,
        label=_label(row.get(columns.answer), options) if columns.answer else -1,
        hint=_text(row.get(columns.hint)) if columns.hint else "",
        row=number,
    )


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _options(row: Row, columns: Columns) -> tuple[str, ...]:
    if len(columns.options) == 1:
        cell = row.get(columns.options[0])
        if isinstance(cell, str):
            cell = _list_in_text(cell)
        if isinstance(cell, Mapping):
            cell = list(cell.values())
        values = list(cell) if isinstance(cell, list | tuple) else []
    else:
        values = [row.get(column) for column in columns.options]
    texts = [_text(value) for value in values]
    while texts and not texts[-1]:
        texts.pop()
    if "" in texts:
        message = f"option {OPTION_LETTERS[texts.index('')]} is empty but a later one is not"
        raise ValueError(message)
    options = tuple(texts)
    if not 2 <= len(options) <= len(OPTION_LETTERS):
        message = f"expected 2 to {len(OPTION_LETTERS)} options, found {len(options)}; leave such items out"
        raise ValueError(message)
    return options


def _list_in_text(cell: str) -> list[Any]:
    """A csv file can hold a list only as text: JSON."""
    try:
        found = json.loads(cell)
    except ValueError:
        return []
    return found if isinstance(found, list) else []


def _label(answer: Any, options: tuple[str, ...]) -> int:
    """Index of the right option, given as its index, letter or text; -1 for an empty cell."""
    if answer is None or answer == "":
        return -1
    text = _text(answer)
    letters = OPTION_LETTERS[: len(options)]
    if isinstance(answer, int | float) and not isinstance(answer, bool):
        if answer == -1:
            return -1
        if answer == int(answer) and 0 <= answer < len(options):
            return int(answer)
    elif len(text) == 1 and text.upper() in letters:
        return letters.index(text.upper())
    elif text in options:
        return options.index(text)
    elif text.isdecimal() and int(text) < len(options):
        return int(text)
    shown = ", ".join(f"{letter} {option!r}" for letter, option in zip(letters, options, strict=True))
    message = f"the answer {answer!r} is no option of the item; expected a letter, an index from 0 or a text of {shown}"
    raise ValueError(message)


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
