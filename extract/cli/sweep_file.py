"""Sweep files: many models and datasets in one TOML file."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field

from pid_lvlm.data.bounds import ENTRIES
from pid_lvlm.data.command.shown import shown_path
from pid_lvlm.data.inputs.paths import is_there
from pid_lvlm.data.inputs.schema import STRICT, Word
from pid_lvlm.data.inputs.text import TextError, parse_toml, read_text
from pid_lvlm.extract.cli.checkpoint_series import expand_series
from pid_lvlm.extract.config import DatasetSpec, ModelSpec
from pid_lvlm.extract.datasets.card import resolve_source
from pid_lvlm.extract.datasets.column_mapping import check_fields
from pid_lvlm.extract.errors import UsageError
from pid_lvlm.extract.fields import (
    Ablations,
    Column,
    Count,
    Crossed,
    Draws,
    Dtype,
    FileName,
    HeadDtype,
    KeepItems,
    LayerList,
    ModelName,
    OnBad,
    PathText,
    SizeB,
    Step,
    checked_file,
)
from pid_lvlm.extract.models.checkpoint.locate import HUB_ID

Tables = Annotated[tuple[dict[str, Any], ...], Field(max_length=ENTRIES.most)]


@dataclass(frozen=True)
class SweepFile:
    """The two table lists of a sweep file."""

    __pydantic_config__ = STRICT

    models: Tables = ()
    datasets: Tables = ()


@dataclass(frozen=True)
class ModelEntry:
    """Keys of `[[models]]`, named like the command's options; `final` marks the last of a series, for other tools."""

    __pydantic_config__ = STRICT

    model: PathText | None = None
    checkpoints: PathText | None = None
    revisions: Annotated[tuple[Word, ...], Field(min_length=1, max_length=ENTRIES.most)] | None = None
    steps: Annotated[tuple[Step, ...], Field(max_length=ENTRIES.most)] | None = None
    name: ModelName | None = None
    revision: Word | None = None
    dtype: Dtype | None = None
    head_dtype: HeadDtype | None = None
    processor: Mapping[str, Any] | None = None
    family: Word | None = None
    size_b: SizeB | None = None
    stage: FileName | None = None
    step: Step | None = None
    layers: LayerList | None = None
    limit: Count | None = None
    datasets: Annotated[tuple[FileName, ...], Field(min_length=1, max_length=ENTRIES.most)] | None = None
    crossed: Crossed | None = None
    ablation: Ablations | None = None
    other_draws: Draws | None = None
    final: bool | None = None


RENAMED: Final = {"folder": "model", "id": "model"}
"""Keys of `[[models]]` in earlier versions, in which `model` meant today's `name`."""


@dataclass(frozen=True)
class DatasetEntry:
    """Keys of `[[datasets]]`."""

    __pydantic_config__ = STRICT

    file: PathText
    benchmark: Word | None = None
    columns: Mapping[str, Column] = field(default_factory=dict)
    images: PathText | None = None
    on_bad: OnBad | None = None
    keep_items: KeepItems | None = None


def _say_nothing(_: str) -> None:
    pass


def read_sweep(
    path: Path, device: str, note: Callable[[str], None] = _say_nothing
) -> tuple[list[ModelSpec], list[DatasetSpec]]:
    """Models and datasets of a sweep file; either list may be empty.

    Args:
        path: the file.
        device: the device for all models.
        note: called with a sentence about what each pattern matched.

    Raises:
        UsageError: the file is missing, is not TOML, or contains an unknown or wrong key.
    """
    name = f"--sweep `{shown_path(path)}`"
    try:
        raw = parse_toml(read_text(path))
    except FileNotFoundError:
        message = f"--sweep: file `{shown_path(path)}` does not exist"
        raise UsageError(message) from None
    except TextError as error:
        raise UsageError(f"{name} {error}") from None
    sweep = checked_file(SweepFile, raw, UsageError, f"{name}: ")
    folder = path.resolve().parent
    models: list[ModelSpec] = []
    for number, table in enumerate(sweep.models, start=1):
        where = f"{name}, entry {number} of models: "
        _check_renamed(table, where)
        entry = checked_file(ModelEntry, table, UsageError, where)
        given = {key: value for key, value in asdict(entry).items() if value is not None}
        expanded, matched = expand_series(given, folder, where)
        models += [_model(single, folder, device, where) for single in expanded]
        if matched:
            note(matched)
    datasets = []
    for number, table in enumerate(sweep.datasets, start=1):
        where = f"{name}, entry {number} of datasets: "
        datasets.append(_dataset(checked_file(DatasetEntry, table, UsageError, where), folder, where))
    return models, datasets


def _check_renamed(entry: Mapping[str, Any], where: str) -> None:
    """Explain how to update a file of an earlier version."""
    for old, new in RENAMED.items():
        if old in entry:
            also = ", and `model`, the name in tables, is now `name`" if "model" in entry else ""
            message = f"{where}the key `{old}` is now `{new}`{also}; rename "
            raise UsageError(message + ("both in every entry" if also else "it in every entry"))


def _model(entry: Mapping[str, Any], folder: Path, device: str, where: str) -> ModelSpec:
    if "model" not in entry:
        raise UsageError(f"{where}`model` is missing; a model needs `model` or `checkpoints`")
    labels = {key: value for key, value in entry.items() if key not in ("model", "final")}
    return ModelSpec(model=_folder_or_id(entry["model"], folder), device=device, **labels)


def _folder_or_id(model: str, folder: Path) -> str:
    """A checkpoint folder, relative to that of the sweep file, or else a hub id."""
    beside = folder / model
    return str(beside) if (is_there(beside) and beside.is_dir()) or not HUB_ID.fullmatch(model) else model


def _dataset(entry: DatasetEntry, folder: Path, where: str) -> DatasetSpec:
    check_fields(entry.columns, f"{where}columns")
    images = None if entry.images is None else folder / entry.images
    return DatasetSpec(
        resolve_source(folder, entry.file),
        entry.columns,
        images,
        entry.benchmark,
        entry.on_bad,
        keep_items=entry.keep_items,
    )
