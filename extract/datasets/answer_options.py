"""Parses options and right answer of an item from the many forms in which files store them."""

import ast
import re
import unicodedata
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pid_lvlm.data.bounds import ITEM_TEXT
from pid_lvlm.data.command.shown import cut, shown
from pid_lvlm.data.inputs.text import TextError, parse_json
from pid_lvlm.data.names import OPTION_LETTERS
from pid_lvlm.extract.datasets.errors import Reason, RowError

BRACKETED_LETTER: Final = re.compile(r"\(?([A-Za-z])[).:]?")
"""Ways in which answers name an option: `B`, `(B)`, `B.`, `B)`, `B:`."""
INDEX: Final = re.compile(r"[0-9]{1,9}")
NO_TEXTS: Final = ((dict, "a mapping"), ((list, tuple), "a list"), ((bytes, bytearray), "bytes"))
LABEL_KEYS: Final = ("label", "labels", "letter", "letters", "key")
TEXT_KEYS: Final = ("text", "texts", "value")


@dataclass(frozen=True)
class Options:
    """Texts of an item's options, the letter of each, and the file's other labels for them, such as `1` or `first`."""

    texts: tuple[str, ...]
    letters: str
    labels: tuple[str, ...] = ()


def cell_text(value: Any) -> str:
    """A cell as text, stripped; "" for a missing one (None, or NaN in parquet)."""
    return "" if is_missing(value) else str(value).strip()


def whole_text(value: Any) -> str:
    """A cell as text; `7`, 7 and 7.0 give the same."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else cell_text(value)


def is_missing(value: Any) -> bool:
    """Whether a cell is None, or the NaN that dataframes write for it. The word `nan` is a word."""
    return value is None or (isinstance(value, float) and value != value)


def plain_text(value: Any, what: str) -> str:
    """A cell as text, like `cell_text`, with checks.

    Args:
        value: the cell.
        what: the field, for the message.

    Raises:
        RowError: it is a list, a mapping or bytes instead of text, or a text too long for any model.
    """
    _check_plain(value, what)
    return cell_text(value)


def _check_plain(value: Any, what: str) -> None:
    if isinstance(value, str):
        if len(value) > ITEM_TEXT.most:
            message = f"{what} has {len(value):,} characters; at most {ITEM_TEXT} are possible"
            raise RowError(Reason.OTHER_FORM, message)
        return
    kind = next((name for kinds, name in NO_TEXTS if isinstance(value, kinds)), None)
    if kind is not None:
        raise RowError(Reason.OTHER_FORM, f"{what} is {kind}, {shown(value)}; expected text")


def read_options(cells: Any, letters: str | None = None) -> Options:
    """Options of one item.

    Args:
        cells: a list; a mapping of letters to texts (or any labels, whose order then counts); a mapping of `label` and
            `text` to one list each, or a list of such mappings, as in ARC; or one of these as text, in JSON or
            Python. Empty options at the end are dropped.
        letters: the letter of each cell, if columns define them; then any option may be empty, and the others keep
            their letters.

    Raises:
        RowError: fewer than two or more than 26 options, an empty option without a given letter, or one not text.
    """
    if isinstance(cells, str):
        cells = value_in_text(cells)
    labels: tuple[str, ...] = ()
    if letters is None:
        cells, labels = _labelled(cells)
        if labels and sorted({*map(str.upper, labels)} & {*OPTION_LETTERS}) == sorted(map(str.upper, labels)):
            order = sorted(range(len(labels)), key=lambda index: labels[index].upper())
            cells, letters = [cells[index] for index in order], "".join(labels[index].upper() for index in order)
            labels = ()
    cells = list(cells) if isinstance(cells, Sequence) else []
    for index, cell in enumerate(cells):
        _check_plain(cell, f"option {OPTION_LETTERS[index % len(OPTION_LETTERS)]}")
    texts = ["" if is_missing(cell) else str(cell) for cell in cells]
    kept = [index for index, text in enumerate(texts) if text.strip()]
    if texts and not kept:
        message = f"all {len(texts)} options are empty; expected at least two texts"
        raise RowError(Reason.FEW_OPTIONS, message)
    if not 2 <= len(kept) <= len(OPTION_LETTERS):
        message = f"expected 2 to {len(OPTION_LETTERS)} options, found {len(kept)}"
        raise RowError(Reason.FEW_OPTIONS if len(kept) < 2 else Reason.BAD_OPTIONS, message)
    gap = next((index for index, place in enumerate(kept) if index != place), None)
    if letters is None and gap is not None:
        message = f"option {OPTION_LETTERS[gap]} is empty but a later one is not"
        raise RowError(Reason.BAD_OPTIONS, message)
    names_of = letters or OPTION_LETTERS
    return Options(
        tuple(texts[index] for index in kept),
        "".join(names_of[index] for index in kept),
        tuple(labels[index] for index in kept) if labels else (),
    )


def _labelled(cells: Any) -> tuple[Any, tuple[str, ...]]:
    """Cells and their labels, if the file has labels."""
    if isinstance(cells, Mapping):
        label, text = (cells.get(_key(cells, names)) for names in (LABEL_KEYS, TEXT_KEYS))
        if len(cells) == 2 and isinstance(label, Sequence) and isinstance(text, Sequence):
            if isinstance(label, str) or isinstance(text, str):
                return list(cells.values()), tuple(map(str, cells))
            return _matched(list(text), [plain_text(one, "the label of an option") for one in label])
        return list(cells.values()), tuple(map(str, cells))
    if isinstance(cells, Sequence) and cells and all(isinstance(cell, Mapping) for cell in cells):
        keys = [(_key(cell, LABEL_KEYS), _key(cell, TEXT_KEYS)) for cell in cells]
        if all(label and text for label, text in keys):
            texts = [cell[text] for cell, (_, text) in zip(cells, keys, strict=True)]
            labels = [cell[label] for cell, (label, _) in zip(cells, keys, strict=True)]
            return _matched(texts, [plain_text(one, "the label of an option") for one in labels])
    return cells, ()


def _key(cells: Mapping[Any, Any], names: Sequence[str]) -> Any:
    return next((name for name in cells if str(name).casefold() in names), None)


def _matched(texts: list[Any], labels: list[str]) -> tuple[list[Any], tuple[str, ...]]:
    if len(texts) != len(labels):
        message = f"found {len(labels)} labels for {len(texts)} options; expected one for each"
        raise RowError(Reason.BAD_OPTIONS, message)
    if len({*labels}) < len(labels) or not all(labels):
        message = f"the labels of the options are {shown(labels)}; expected different ones"
        raise RowError(Reason.BAD_OPTIONS, message)
    return texts, tuple(labels)


def list_in_text(cell: str) -> list[Any]:
    """The list that a text contains in JSON or Python syntax; empty if it contains none.

    Example:
        >>> list_in_text("['red', 'green']")
        ['red', 'green']
        >>> list_in_text("red, green")
        []
    """
    found = value_in_text(cell)
    return found if isinstance(found, list) else []


def value_in_text(cell: str) -> list[Any] | dict[Any, Any]:
    """The list or mapping that a text contains in JSON or Python syntax; an empty list if it contains none."""
    text = cell.strip()
    if not text.startswith(("[", "{", "(")):
        return []
    found: Any = None
    try:
        found = parse_json(text)
    except TextError:
        if len(text) <= ITEM_TEXT.most:
            found = _python_value(text)
    return list(found) if isinstance(found, list | tuple) else found if isinstance(found, dict) else []


def _python_value(text: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about backslashes
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def read_label(answer: Any, options: Options, first_index: int | None = None, *, by_rule: bool = False) -> int:
    """Index from 0 of the right option, given as its letter, label, text, or index; -1 for an empty cell.

    Args:
        answer: the cell. A number is an index, from `first_index` or else 0; a text is a letter, a label or an option's
            text, or if it is none of these, a number that counts as an index.
        options: the item's options.
        first_index: what numbers count from, if stated.
        by_rule: whether the benchmark's rules define answers: a letter takes precedence, and numbers are indices.

    Raises:
        RowError: the answer is not one of the options, or could mean either of two.

    Example:
        >>> options = read_options(["red", "green", "blue"])
        >>> [read_label(answer, options) for answer in ("B", "(b)", "green", 1, "1", None)]
        [1, 1, 1, 1, 1, -1]
    """
    _check_plain(answer, "the answer")
    text = cell_text(answer)
    if not text or (is_number(answer) and answer == -1):
        return -1
    if is_number(answer):
        counted = index_of(answer, options, first_index)
        settled = by_rule or first_index is not None
        return _only(answer, options, first_index, counted, None if settled else _by_text(whole_text(answer), options))
    named = BRACKETED_LETTER.fullmatch(text)
    letter = options.letters.index(named[1].upper()) if named and named[1].upper() in options.letters else None
    label = options.labels.index(text) if text in options.labels else None
    found = [letter, label, _by_text(text, options) if not by_rule or letter is None else None]
    if not any(one is not None for one in found):
        found = [index_of(text, options, first_index)]
    return _only(answer, options, first_index, *found)


def is_number(value: Any) -> bool:
    """Whether a cell holds a number; true and false do not count."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def index_of(answer: Any, options: Options, first_index: int | None) -> int | None:
    """Zero-based index of the option for a number or text of digits that counts from `first_index`, or else from 0."""
    text = whole_text(answer)
    if not INDEX.fullmatch(text):
        return None
    index = int(text) - (first_index or 0)
    return index if 0 <= index < len(options.texts) else None


def _by_text(text: str, options: Options) -> int | None:
    """The option with this text: exactly, else ignoring case, else ignoring character width and blanks.

    Raises:
        RowError: several options have the same text.
    """
    if (wanted := _compatible(text)) not in map(
        _compatible, options.texts
    ):  # the loosest comparison; usually nothing matches
        return None
    for form in (_same, _folded, _compatible):
        wanted = form(text)
        found = [index for index, option in enumerate(options.texts) if form(option) == wanted]
        if len(found) > 1:
            letters = " and ".join(options.letters[index] for index in found)
            message = f"the answer {shown(text)} fits the options {letters}, whose texts are the same; give the letter"
            raise RowError(Reason.AMBIGUOUS, message)
        if found:
            return found[0]
    return None


def _same(text: str) -> str:
    return text.strip() if text.isascii() else unicodedata.normalize("NFC", text.strip())


def _folded(text: str) -> str:
    return _same(text).casefold()


def _compatible(text: str) -> str:
    folded = _folded(text)
    return " ".join((folded if folded.isascii() else unicodedata.normalize("NFKC", folded).casefold()).split())


def _only(answer: Any, options: Options, first_index: int | None, *found: int | None) -> int:
    """The option that all readings of an answer agree on."""
    readings = {index for index in found if index is not None}
    if len(readings) == 1:
        return readings.pop()
    listed = list(zip(options.letters, options.texts, strict=True))
    if readings:
        either = " or ".join(
            f"{letter} {shown(text)}" for index, (letter, text) in enumerate(listed) if index in readings
        )
        how = "state first_index in a card if it counts options" if is_number(answer) else "write a letter as (A)"
        message = f"the answer {shown(answer)} could mean {either}; {how}, or give the letter"
        raise RowError(Reason.AMBIGUOUS, message)
    texts = ", ".join(f"{letter} {cut(shown(text), 40)}" for letter, text in listed[:8]) + (", …" if listed[8:] else "")
    message = (
        f"the answer {shown(answer)} is not an option of the item; expected a letter, an index from {first_index or 0} "
        f"or a text of {texts}"
    )
    raise RowError(Reason.NO_OPTION, message)
