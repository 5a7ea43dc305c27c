"""Items: multiple-choice questions about pictures, regardless of the source file; datasets, and their counts."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pid_lvlm.data.bounds import PIXELS
from pid_lvlm.data.names import OPTION_LETTERS

if TYPE_CHECKING:
    from PIL.Image import Image

UNKNOWN: Final = "unknown"


@dataclass(frozen=True)
class RowCounts:
    """Rows of a dataset file.

    Attributes:
        read: rows in the file.
        chosen: rows selected by the benchmark's rules and filters, including bad ones.
        dropped: bad rows that were left out, by reason.
        options: chosen rows by their number of options.
        answers: chosen rows by the letter of the right option, `unknown` if it is not given.
    """

    read: int = 0
    chosen: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    options: Mapping[int, int] = field(default_factory=dict)
    answers: Mapping[str, int] = field(default_factory=dict)

    def describe(self, kept: int) -> dict[str, Any]:
        """The counts as recorded in the manifest; `kept` rows became samples."""
        return {"read": self.read, "chosen": self.chosen, "kept": kept, "dropped": dict(self.dropped)}

    def lines(self, kept: int) -> list[str]:
        """Counts, options and answers as lines of text."""
        dropped = f", {sum(self.dropped.values())} dropped ({by_reason(self.dropped)})" if self.dropped else ""
        options = ", ".join(f"{size} in {count} rows" for size, count in sorted(self.options.items()))
        order = [*OPTION_LETTERS, UNKNOWN]
        answers = ", ".join(f"{name} {self.answers[name]}" for name in order if name in self.answers)
        return [
            f"rows        {self.read} read, {self.chosen} chosen{dropped}, {kept} used",
            f"options     {options}",
            f"answers     {answers}",
        ]


def by_reason(dropped: Mapping[str, int]) -> str:
    """`3 missing picture, 1 repeated id`."""
    return ", ".join(f"{count} {reason}" for reason, count in dropped.items())


@dataclass(frozen=True)
class Item:
    """One question.

    Attributes:
        id: unique in the dataset, the same for every model.
        group: items of one group stay on the same side of a split; usually the picture.
        picture: path of the picture's file, or its encoded bytes (PNG, JPEG, …).
        question: the question's text.
        options: texts of the options, at least two.
        label: index of the right option, -1 if unknown.
        hint: text shown before the question, or "".
        row: row of the dataset file, counted from 1, for messages.
        given_letters: letters of the options if they are not A, B, C, … without a gap.
        raw: the prompt from the benchmark's file, if any.
        rotation_of: question that the item asks with reordered options, if the benchmark does so; else "".
        rotations: number of rows of this question in the file.
        picture_sha256: hash of the picture's file when it was checked, or "".
        max_pixels: maximum number of pixels of the picture to decode.
    """

    id: str
    group: str
    picture: Path | bytes
    question: str
    options: tuple[str, ...]
    label: int = -1
    hint: str = ""
    row: int = 0
    given_letters: str = ""
    raw: str = ""
    rotation_of: str = ""
    rotations: int = 1
    picture_sha256: str = ""
    max_pixels: int = PIXELS.most

    def image(self) -> "Image":
        """The picture, decoded, upright, in RGB.

        Raises:
            RowError: its file has changed since the dataset was read.
        """
        from pid_lvlm.extract.datasets.images import open_picture

        return open_picture(self.picture, self.max_pixels)

    @property
    def picture_key(self) -> str | Path | bytes:
        """Identifies a picture: identical files are the same picture."""
        return self.picture_sha256 or self.picture

    def with_picture_of(self, other: "Item") -> "Item":
        """The item with another item's picture."""
        return replace(self, picture=other.picture, picture_sha256=other.picture_sha256, max_pixels=other.max_pixels)

    @property
    def sha256(self) -> str:
        """Hash of what a model sees of the item, its answer and its group."""
        parts = (self.id, self.group, self.question, *self.options, str(self.label), self.hint, self.letters, self.raw)
        text = json.dumps((*parts, self.picture_sha256))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def letters(self) -> str:
        """Letter of each option."""
        return self.given_letters or OPTION_LETTERS[: len(self.options)]


@dataclass(frozen=True)
class Dataset:
    """Items and information about them.

    Attributes:
        name: name of the benchmark.
        file: file name the items came from.
        sha256: hash of the file's bytes.
        items: the items, in the file's order.
        prompt: template requested by the dataset's card or benchmark, if any.
        split: part of the benchmark, if stated.
        ground_truth: true atoms in bits, if known.
        notes: what the user should know about the file, one sentence each.
        rows: counts of the file's rows.
        skip_bad: whether to leave out bad rows, and also items that a model cannot process.
        keep_items: what run folders keep of the items unless the command says otherwise (`extract.config.KEEP_ITEMS`).
    """

    name: str
    file: str
    sha256: str
    items: tuple[Item, ...]
    prompt: str | None = None
    split: str | None = None
    ground_truth: dict[str, float] | None = None
    notes: tuple[str, ...] = ()
    rows: RowCounts = field(default_factory=RowCounts)
    skip_bad: bool = False
    keep_items: str | None = None

    def first(self, count: int | None) -> "Dataset":
        """The dataset with only its first `count` items; None for all."""
        return replace(self, items=self.items[:count])

    @property
    def items_sha256(self) -> str:
        """Hash of the items and their pictures, independent of the source file."""
        return hashlib.sha256("".join(item.sha256 for item in self.items).encode()).hexdigest()

    @property
    def max_options(self) -> int:
        """Largest number of options of an item."""
        return max(len(item.options) for item in self.items)

    @property
    def letters(self) -> str:
        """A, B, … up to the last letter that any item uses."""
        last = max(OPTION_LETTERS.index(item.letters[-1]) for item in self.items)
        return OPTION_LETTERS[: last + 1]
