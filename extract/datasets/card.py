"""Dataset cards: a small TOML file beside the data that says how to read them and what is known about them."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pid_lvlm.data.command.suggest import suggestion
from pid_lvlm.data.errors import Fault
from pid_lvlm.data.names import ATOMS
from pid_lvlm.extract.config import ON_BAD
from pid_lvlm.extract.datasets.column_mapping import check_fields
from pid_lvlm.extract.datasets.errors import DatasetError
from pid_lvlm.extract.datasets.sources.table import HUB_PREFIX

KEYS: Final = (
    "name",
    "file",
    "benchmark",
    "columns",
    "where",
    "options",
    "first_index",
    "images",
    "on_bad",
    "split",
    "prompt",
    "ground_truth",
    "about",
)


@dataclass(frozen=True)
class Card:
    """Contents of a card. `file` and `images` are absolute; `ground_truth` has the true atoms in bits.

    `benchmark` names a known benchmark; `options` are the texts of the options if all items have the same ones; `where`
    selects rows by the values of columns; answers that are numbers count options from `first_index`; `on_bad` says what
    to do about bad rows.
    """

    name: str | None
    file: Path
    benchmark: str | None = None
    options: tuple[str, ...] | None = None
    where: dict[str, tuple[str, ...]] = field(default_factory=dict)
    first_index: int = 0
    on_bad: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    images: Path | None = None
    split: str | None = None
    prompt: str | None = None
    ground_truth: dict[str, float] | None = None


def read_card(path: Path) -> Card:
    """Read a dataset card.

    Raises:
        DatasetError: it is missing, is not TOML, or contains an unknown or wrong key.
        UsageError: `[columns]` names an unknown field.
    """
    raw = _read_toml(path)
    if "true" in raw:
        raise _card_error(path, "the table `[true]` is now called `[ground_truth]`; rename it")
    if unknown := [key for key in raw if key not in KEYS]:
        raise _card_error(path, f"unknown key `{unknown[0]}`; {suggestion(unknown[0], KEYS)}")
    if not isinstance(raw.get("file"), str):
        raise _card_error(path, 'no `file`; add the data file\'s name, e.g. file = "items.jsonl"')
    columns = {
        name: "|".join(col) if isinstance(col, list) else str(col) for name, col in raw.get("columns", {}).items()
    }
    check_fields(columns, f"`{path.name}` [columns]")
    ground_truth = raw.get("ground_truth")
    if ground_truth is not None and (
        set(ground_truth) != set(ATOMS) or not all(_is_number(bits) for bits in ground_truth.values())
    ):
        raise _card_error(path, f"[ground_truth] should give {', '.join(ATOMS)} in bits")
    options = raw.get("options")
    if options is not None and not (isinstance(options, list) and all(isinstance(text, str) for text in options)):
        raise _card_error(path, 'options should list the texts of every item\'s options, e.g. ["Yes", "No"]')
    if raw.get("first_index", 0) not in (0, 1):
        raise _card_error(path, f"first_index should be 0 or 1, found {raw['first_index']!r}")
    if raw.get("on_bad", ON_BAD[0]) not in ON_BAD:
        raise _card_error(path, f"unknown on_bad `{raw['on_bad']}`; {suggestion(str(raw['on_bad']), ON_BAD)}")
    where = {
        name: tuple(map(str, values if isinstance(values, list) else [values]))
        for name, values in raw.get("where", {}).items()
    }
    folder = path.resolve().parent
    return Card(
        name=str(raw.get("name", path.stem)),
        file=resolve_source(folder, raw["file"]),
        benchmark=raw.get("benchmark"),
        options=None if options is None else tuple(options),
        where=where,
        first_index=raw.get("first_index", 0),
        on_bad=raw.get("on_bad"),
        columns=columns,
        images=folder / raw["images"] if "images" in raw else None,
        split=raw.get("split"),
        prompt=raw.get("prompt"),
        ground_truth=None if ground_truth is None else {atom: float(ground_truth[atom]) for atom in ATOMS},
    )


def resolve_source(folder: Path, source: str) -> Path:
    """A dataset as a card or sweep file in `folder` names it: a relative path starts there, a hub id stays."""
    return Path(source) if source.startswith(HUB_PREFIX) else folder / source


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _card_error(path, "there is no such file; check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _card_error(path, f"is not TOML ({error})") from None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _card_error(path: Path, message: str) -> DatasetError:
    return DatasetError(str(path), [Fault(path.name, message)])
