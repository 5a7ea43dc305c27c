"""Sweep files, and the part of their runs that one process takes."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pid_lvlm.data.command.part import parse_part
from pid_lvlm.data.command.suggest import suggestion
from pid_lvlm.extract.cli.checkpoint_series import expand_series
from pid_lvlm.extract.config import DTYPES, ON_BAD, DatasetSpec, ModelSpec
from pid_lvlm.extract.datasets.card import resolve_source
from pid_lvlm.extract.datasets.column_mapping import check_fields
from pid_lvlm.extract.errors import UsageError
from pid_lvlm.extract.models.locate import HUB_ID


def select_part(
    part: str, models: Sequence[ModelSpec], datasets: Sequence[DatasetSpec]
) -> tuple[list[ModelSpec], list[DatasetSpec]]:
    """Part `i/n` of the runs: every n-th model from the i-th on, or every n-th dataset where models are fewer.

    The n parts together are all runs, each once; a part may be empty.

    Raises:
        PidError: not of the form i/n with 1 ≤ i ≤ n.
    """
    number, total = parse_part(part)
    if len(models) >= len(datasets):
        return list(models[number - 1 :: total]), list(datasets)
    return list(models), list(datasets[number - 1 :: total])


MODEL_KEYS: Final[dict[str, type | tuple[type, ...]]] = {
    "model": str,
    "checkpoints": str,
    "revisions": list,
    "steps": list,
    "name": str,
    "revision": str,
    "dtype": str,
    "family": str,
    "size_b": (int, float),
    "stage": str,
    "step": int,
    "layers": str,
    "limit": int,
    "final": bool,
}
"""Keys of `[[models]]` and their types, named as the command's options. `final` marks the last checkpoint of a series,
for people and other tools."""

RENAMED: Final = {"folder": "model", "id": "model"}
"""Keys of `[[models]]` in earlier versions, where `model` was what `name` is now."""

DATASET_KEYS: Final[dict[str, type | tuple[type, ...]]] = {
    "file": str,
    "benchmark": str,
    "columns": dict,
    "images": str,
    "on_bad": str,
}


def read_sweep(path: Path, device: str) -> tuple[list[ModelSpec], list[DatasetSpec]]:
    """Models and datasets of a sweep file; either list may be empty.

    Raises:
        UsageError: the file is missing, is not TOML, or contains an unknown or wrong key.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        message = f"--sweep: there is no file `{path}`"
        raise UsageError(message) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"--sweep `{path}` is not TOML ({error})"
        raise UsageError(message) from None
    if unknown := [key for key in raw if key not in ("models", "datasets")]:
        message = f"--sweep `{path}`: unknown table `{unknown[0]}`; {suggestion(unknown[0], ('models', 'datasets'))}"
        raise UsageError(message)
    _check_renamed(raw.get("models", []), path)
    folder = path.resolve().parent
    models = [
        _model(single, folder, device, path)
        for number, entry in enumerate(_checked(raw.get("models", []), MODEL_KEYS, path), start=1)
        for single in expand_series(entry, folder, f"--sweep `{path}`, entry {number}")
    ]
    datasets = [_dataset(entry, folder, path) for entry in _checked(raw.get("datasets", []), DATASET_KEYS, path)]
    return models, datasets


def _check_renamed(entries: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Explain how to update a file of an earlier version."""
    for number, entry in enumerate(entries, start=1):
        for old, new in RENAMED.items():
            if old in entry:
                also = ", and `model`, the name in tables, is now `name`" if "model" in entry else ""
                message = f"--sweep `{path}`, entry {number}: the key `{old}` is now `{new}`{also}; rename "
                raise UsageError(message + ("both in every entry" if also else "it in every entry"))


def _checked(
    entries: Sequence[Mapping[str, Any]], keys: Mapping[str, type | tuple[type, ...]], path: Path
) -> Sequence[Mapping[str, Any]]:
    for number, entry in enumerate(entries, start=1):
        for key, value in entry.items():
            if key not in keys:
                message = f"--sweep `{path}`, entry {number}: unknown key `{key}`; {suggestion(key, keys)}"
                raise UsageError(message)
            if not isinstance(value, keys[key]):
                message = f"--sweep `{path}`, entry {number}: `{key}` has the wrong type ({value!r})"
                raise UsageError(message)
    return entries


def _model(entry: Mapping[str, Any], folder: Path, device: str, path: Path) -> ModelSpec:
    if "model" not in entry:
        message = f"--sweep `{path}`: a model needs `model` or `checkpoints`, found {dict(entry)!r}"
        raise UsageError(message)
    if entry.get("limit", 1) < 1:
        message = f"--sweep `{path}`: `limit` should be at least 1, found {entry['limit']}"
        raise UsageError(message)
    if entry.get("dtype", DTYPES[0]) not in DTYPES:
        message = f"--sweep `{path}`: unknown dtype `{entry['dtype']}`; {suggestion(entry['dtype'], DTYPES)}"
        raise UsageError(message)
    return ModelSpec(
        model=_folder_or_id(entry["model"], folder),
        name=entry.get("name"),
        device=device,
        **{
            key: entry[key]
            for key in ("revision", "dtype", "family", "size_b", "stage", "step", "layers", "limit")
            if key in entry
        },
    )


def _folder_or_id(model: str, folder: Path) -> str:
    """A checkpoint folder, relative to the sweep file's own, or else a hub id."""
    if (folder / model).is_dir() or not HUB_ID.fullmatch(model):
        return str(folder / model)
    return model


def _dataset(entry: Mapping[str, Any], folder: Path, path: Path) -> DatasetSpec:
    if "file" not in entry:
        message = f"--sweep `{path}`: a dataset needs `file`, found {dict(entry)!r}"
        raise UsageError(message)
    columns = entry.get("columns", {})
    check_fields(columns, f"--sweep `{path}` columns")
    if entry.get("on_bad", ON_BAD[0]) not in ON_BAD:
        message = f"--sweep `{path}`: unknown on_bad `{entry['on_bad']}`; {suggestion(entry['on_bad'], ON_BAD)}"
        raise UsageError(message)
    images = folder / entry["images"] if "images" in entry else None
    return DatasetSpec(
        resolve_source(folder, entry["file"]), columns, images, entry.get("benchmark"), entry.get("on_bad")
    )
