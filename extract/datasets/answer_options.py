"""Options and right answer of an item, from the many forms in which files store them."""

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pid_lvlm.data.names import OPTION_LETTERS
from pid_lvlm.extract.datasets.errors import Reason, RowError

BRACKETED_LETTER: Final = re.compile(r"\(?([A-Za-z])[).:]?")
"""`B`, `(B)`, `B.`, `B)`, `B:`: how answers name an option."""


@dataclass(frozen=True)
class Options:
    """Texts of an item's options and the letter of each."""

    texts: tuple[str, ...]
    letters: str


def cell_text(value: Any) -> str:
    """A cell as text without surrounding blanks; "" for a missing one (None, or parquet's not-a-number)."""
    return "" if is_missing(value) else str(value).strip()


def whole_text(value: Any) -> str:
    """A cell as text, the same for `7`, 7 and 7.0."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else cell_text(value)


def is_missing(value: Any) -> bool:
    """None, or the not-a-number that dataframes write for it. The word `nan` is a word."""
    return value is None or (isinstance(value, float) and value != value)


def read_options(cells: Any, letters: str | None = None) -> Options:
    """Options of one item.

    Args:
        cells: a list; a mapping of letter to text (or of any key: the order then counts); or a list as text, in JSON
            or Python. Empty options at the end are left out.
        letters: the letter of each cell, where columns carry them; then any option may be empty, and the others keep
            their letters.

    Raises:
        RowError: fewer than two or more than 26 options, or one without a letter of its own is empty.
    """
    if isinstance(cells, str):
        cells = list_in_text(cells)
    if isinstance(cells, Mapping):
        names = [str(name) for name in cells]
        if letters is None and all(len(name) == 1 and name in OPTION_LETTERS for name in names):
            cells, letters = {name: cells[name] for name in sorted(names)}, "".join(sorted(names))
        cells = list(cells.values())
    texts = ["" if is_missing(cell) else str(cell) for cell in cells] if isinstance(cells, Sequence) else []
    kept = [index for index, text in enumerate(texts) if text.strip()]
    if texts and not kept:
        message = f"all {len(texts)} options are empty; expected at least two texts"
        raise RowError(Reason.FEW_OPTIONS, message)
    gap = next((index for index, place in enumerate(kept) if index != place), None)
    if letters is None and gap is not None:
        message = f"option {OPTION_LETTERS[gap]} is empty but a later one is not"
        raise RowError(Reason.BAD_OPTIONS, message)
    if not 2 <= len(kept) <= len(OPTION_LETTERS):
        message = f"expected 2 to {len(OPTION_LETTERS)} options, found {len(kept)}"
        raise RowError(Reason.FEW_OPTIONS if len(kept) < 2 else Reason.BAD_OPTIONS, message)
    names_of = letters or OPTION_LETTERS
    return Options(tuple(texts[index] for index in kept), "".join(names_of[index] for index in kept))


def list_in_text(cell: str) -> list[Any]:
    """The list that a text contains in JSON or Python syntax; an empty one if it contains none.

    Example:
        >>> list_in_text("['red', 'green']")
        ['red', 'green']
        >>> list_in_text("red, green")
        []
    """
    for parse in (json.loads, ast.literal_eval):
        try:
            found = parse(cell.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(found, list | tuple):
            return list(found)
    return []


def read_label(answer: Any, options: Options, first_index: int = 0) -> int:
    """Index from 0 of the right option, given as its letter, text, or index from `first_index`; -1 for an empty cell.

    A single letter is read as a letter even if an option has that text; an option's text wins over an index
    that is written as text, and its case matters only if two options differ in nothing else.

    Raises:
        RowError: the answer is not one of the options.

    Example:
        >>> options = read_options(["red", "green", "blue"])
        >>> [read_label(answer, options) for answer in ("B", "(b)", "green", 1, "1", None)]
        [1, 1, 1, 1, 1, -1]
    """
    text = cell_text(answer)
    if not text:
        return -1
    if isinstance(answer, int | float) and not isinstance(answer, bool):
        if answer == -1:
            return -1
        if answer == int(answer) and 0 <= answer - first_index < len(options.texts):
            return int(answer) - first_index
    elif (named := BRACKETED_LETTER.fullmatch(text)) and named[1].upper() in options.letters:
        return options.letters.index(named[1].upper())
    elif text in (texts := [option.strip() for option in options.texts]):
        return texts.index(text)
    elif (folded := [option.casefold() for option in texts]).count(text.casefold()) == 1:
        return folded.index(text.casefold())
    elif text.isdecimal() and 0 <= int(text) - first_index < len(options.texts):
        return int(text) - first_index
    shown = ", ".join(f"{letter} {text!r}" for letter, text in zip(options.letters, options.texts, strict=True))
    message = (
        f"the answer {answer!r} is not an option of the item; expected a letter, an index from {first_index} "
        f"or a text of {shown}"
    )
    raise RowError(Reason.NO_OPTION, message)
