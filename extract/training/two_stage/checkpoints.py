"""Writes checkpoints that `pid-extract` can load, and the file that lists them as a series."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from pid_lvlm.data.files import write_atomic
from pid_lvlm.extract.models.checkpoint.settings_files import ADAPTER_FILE
from pid_lvlm.extract.training.checkpoint_index import Checkpoint, index_toml

SERIES: Final = "series.toml"
_FOLDER: Final = re.compile(r"([0-9]+)-(.+)-step-([0-9]+)")
_HEADER: Final = """\
# The checkpoints of this training, for `pid-extract --sweep`. Written by `pid-train`. Paths are relative to this file.
"""
DTYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def folder_name(number: int, stage: str, step: int) -> str:
    """Name of a checkpoint's folder.

    Example:
        >>> folder_name(1, "align", 120)
        '1-align-step-000120'
    """
    return f"{number}-{stage}-step-{step:06d}"


def write_series(out: Path, name: str, size_b: float, stages: Sequence[str], last: str | None) -> list[Checkpoint]:
    """Write the sweep file that lists the existing checkpoints.

    Args:
        out: the output folder.
        name: name of the model in tables.
        size_b: its parameters in billions.
        stages: names of the stages, in order.
        last: folder of the training's last checkpoint.

    Returns:
        The checkpoints, in the order of training.
    """
    found = []
    for folder in out.iterdir():
        match = _FOLDER.fullmatch(folder.name)
        if match and int(match[1]) <= len(stages) and match[2] == stages[int(match[1]) - 1]:
            found.append((int(match[1]), int(match[3]), match[2], folder.name))
    kept = [Checkpoint(folder, name, size_b, stage, step, folder == last) for _, step, stage, folder in sorted(found)]
    write_atomic(out / SERIES, (_HEADER + "\n" + index_toml(kept).replace("[[checkpoint]]", "[[models]]")).encode())
    return kept


def save_checkpoint(
    model: Any, weights: Mapping[str, Tensor], processor: Any, folder: Path, dtype: str, base: str | None
) -> None:
    """Write a checkpoint folder atomically.

    Args:
        model: model of transformers or `peft`, for its configuration.
        weights: all its weights.
        processor: its processor.
        folder: folder to write; replaces an earlier one.
        dtype: dtype of the weights in the files; low-rank changes stay in float32.
        base: for low-rank changes, the checkpoint they apply to, relative to the folder.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    if base is None:
        model.save_pretrained(partial, state_dict=_cast(weights, DTYPES[dtype]))
        set_dtype(partial / "config.json", dtype)
    else:
        model.save_pretrained(partial, state_dict=dict(weights))
        _set_base(partial / ADAPTER_FILE, base)
        (partial / "README.md").unlink(missing_ok=True)
    processor.save_pretrained(partial)
    for path in partial.glob("*.json"):
        _forget_machine(path)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def _cast(weights: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Weights converted to another dtype; shared memory stays shared."""
    made: dict[int, Tensor] = {}
    return {
        name: made.setdefault(weight.data_ptr(), weight.to(dtype)) if weight.is_floating_point() else weight
        for name, weight in weights.items()
    }


def set_dtype(path: Path, dtype: str) -> None:
    """Record the dtype of the weights in a `config.json`, for the whole model and its parts.

    Args:
        path: the file.
        dtype: name of the type, such as `float16`.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    for part in (content, *(value for value in content.values() if isinstance(value, dict))):
        if "dtype" in part:
            part["dtype"] = dtype
    _write_json(path, content)


def _set_base(path: Path, base: str) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    _write_json(path, {**content, "base_model_name_or_path": base})


def _forget_machine(path: Path) -> None:
    """Remove paths: nothing in a checkpoint may identify the machine that made it."""
    content = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(content, dict):
        kept = {key: value for key, value in content.items() if key not in ("_name_or_path", "name_or_path")}
        _write_json(path, kept)


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
