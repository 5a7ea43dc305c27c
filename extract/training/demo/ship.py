"""What `make demo` needs from a training: its checkpoints in float16, and its losses."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Final

from safetensors.torch import load_file, save_file

from pid_lvlm.data.inputs.text import parse_toml, read_text
from pid_lvlm.extract.training.checkpoint_index import Checkpoint
from pid_lvlm.extract.training.two_stage.checkpoints import SERIES, set_dtype
from pid_lvlm.extract.training.two_stage.losses import LOSSES
from pid_lvlm.extract.training.two_stage.training import RECORD

FIRST_STAGE: Final = "text"
"""Stage before there are pictures; its checkpoint is not shipped."""


def ship(training: Path, out: Path, name: str) -> list[Checkpoint]:
    """Copy a training's checkpoints and losses into the demo's folder.

    Args:
        training: folder that `pid-train` has written.
        out: the demo's folder; checkpoints go to `checkpoints/NAME/`, losses to `training/NAME/`.
        name: name of the model's folder.

    Returns:
        The checkpoints, in the order of training.
    """
    series = parse_toml(read_text(training / SERIES))["models"]
    kept = []
    for entry in (Checkpoint(**one) for one in series if one["stage"] != FIRST_STAGE):
        folder = f"checkpoints/{name}/{entry.stage}-{entry.step:04d}"
        _copy_half(training / entry.model, out / folder)
        kept.append(replace(entry, model=folder))
    target = out / "training" / name
    target.mkdir(parents=True)
    for file in (LOSSES, RECORD):
        shutil.copyfile(training / file, target / file)
    return kept


def _copy_half(source: Path, target: Path) -> None:
    shutil.copytree(source, target)
    for path in target.glob("*.safetensors"):
        weights = load_file(path)
        half = {name: value.half() if value.is_floating_point() else value for name, value in weights.items()}
        save_file(half, path, metadata={"format": "pt"})
    set_dtype(target / "config.json", "float16")
