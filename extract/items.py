"""One multiple-choice item about a picture, whatever file it came from."""

from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Item:
    """One question.

    Attributes:
        id: unique in the dataset, the same for every model.
        group: what must not straddle a split of the samples; usually the picture.
        picture: path of the picture's file, or its encoded bytes (PNG, JPEG, …).
        question: the question's text.
        options: texts of the options, at least two; option i has letter i.
        label: index of the right option, -1 if unknown.
        hint: text shown before the question, or "".
        row: row of the dataset file, counted from 1, for messages.
    """

    id: str
    group: str
    picture: Path | bytes
    question: str
    options: tuple[str, ...]
    label: int = -1
    hint: str = ""
    row: int = 0


@dataclass(frozen=True)
class Dataset:
    """Items and what is known about them.

    Attributes:
        name: what to call the benchmark.
        file: file name the items came from.
        sha256: hash of the file's bytes.
        items: the items, in the file's order.
        prompt: template that the dataset's card asks for, if any.
        split: part of the benchmark, if stated.
        planted: true atoms in bits, where they are known.
    """

    name: str
    file: str
    sha256: str
    items: tuple[Item, ...]
    prompt: str | None = None
    split: str | None = None
    planted: dict[str, float] | None = None

    def first(self, count: int | None) -> "Dataset":
        """The same dataset with only its first `count` items; None for all."""
        return replace(self, items=self.items[:count])

    @property
    def max_options(self) -> int:
        """Largest number of options of an item."""
        return max(len(item.options) for item in self.items)
