"""Dataset cards: a small TOML file next to the data that says how to read it and what is known about it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field

from pid_lvlm.data.command.shown import cut
from pid_lvlm.data.errors import Fault
from pid_lvlm.data.inputs.schema import STRICT, Word
from pid_lvlm.data.inputs.text import TextError, parse_toml, read_text
from pid_lvlm.extract.datasets.column_mapping import check_fields
from pid_lvlm.extract.datasets.errors import DatasetError
from pid_lvlm.extract.datasets.sources.table import HUB_PREFIX
from pid_lvlm.extract.fields import Bits, Column, FileName, FirstIndex, KeepItems, OnBad, PathText, Values, checked_file


@dataclass(frozen=True)
class TrueAtoms:
    """The table `[ground_truth]`: the true atoms in bits."""

    __pydantic_config__ = STRICT

    redundancy: Bits
    unique_vision: Bits
    unique_language: Bits
    synergy: Bits


@dataclass(frozen=True)
class CardFile:
    """Keys of a card and their types."""

    __pydantic_config__ = STRICT

    file: PathText
    name: FileName | None = None
    benchmark: Word | None = None
    columns: Mapping[str, Column] = field(default_factory=dict)
    where: Mapping[Word, Values] = field(default_factory=dict)
    options: Annotated[tuple[Word, ...], Field(min_length=2, max_length=26)] | None = None
    first_index: FirstIndex | None = None
    images: PathText | None = None
    on_bad: OnBad | None = None
    keep_items: KeepItems | None = None
    split: Word | None = None
    prompt: Word | None = None
    ground_truth: TrueAtoms | None = None
    about: str | None = None


@dataclass(frozen=True)
class Card:
    """Contents of a card. `file` and `images` are absolute; `ground_truth` has the true atoms in bits.

    `benchmark` names a known benchmark; `options` are the texts of the options if all items share them; `where` selects
    rows by column values; numeric answers count options from `first_index`, if stated; `on_bad` says what to do about
    bad rows, `keep_items` what run folders keep of the items.
    """

    name: str | None
    file: Path
    benchmark: str | None = None
    options: tuple[str, ...] | None = None
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    first_index: int | None = None
    on_bad: str | None = None
    keep_items: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    images: Path | None = None
    split: str | None = None
    prompt: str | None = None
    ground_truth: dict[str, float] | None = None


def read_card(path: Path) -> Card:
    """Read a dataset card.

    Raises:
        DatasetError: it is missing, is not TOML, or contains an unknown or invalid key.
        UsageError: `[columns]` names an unknown field, or one column for two fields.
    """

    def wrong(message: str) -> DatasetError:
        return DatasetError(str(path), [Fault(cut(path.name), message)])

    try:
        raw = parse_toml(read_text(path))
    except (FileNotFoundError, ValueError):
        raise wrong("the file does not exist; check the path") from None
    except TextError as error:
        raise wrong(str(error)) from None
    if "true" in raw:
        raise wrong("the table `[true]` is now called `[ground_truth]`; rename it")
    card = checked_file(CardFile, {"name": path.stem, **raw}, wrong)
    check_fields(card.columns, f"`{cut(path.name)}` [columns]")
    folder = path.resolve().parent
    return Card(
        name=card.name,
        file=resolve_source(folder, card.file),
        benchmark=card.benchmark,
        options=card.options,
        where=card.where,
        first_index=card.first_index,
        on_bad=card.on_bad,
        keep_items=card.keep_items,
        columns=card.columns,
        images=None if card.images is None else folder / card.images,
        split=card.split,
        prompt=card.prompt,
        ground_truth=None if card.ground_truth is None else asdict(card.ground_truth),
    )


def resolve_source(folder: Path, source: str) -> Path:
    """A dataset named in a card or sweep file in `folder`: a relative path starts there, a hub id stays unchanged."""
    return Path(source) if source.startswith(HUB_PREFIX) else folder / source
