"""The world as files for `pid-train`: a model to begin with, and records in LLaVA's format."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pid_lvlm.data.errors import OutputExistsError
from pid_lvlm.data.world import TASKS, caption_conversation, conversation, get_task, make_items
from pid_lvlm.extract.training.build_model import build_model
from pid_lvlm.extract.training.config import VISION, ModelSize, Recipe
from pid_lvlm.extract.training.demo.make_demo import TRAIN_SEED, training_set
from pid_lvlm.extract.training.demo.vision_pretraining import pretrain_vision

CAPTIONS, ALIGN, TUNE = "captions.json", "align.json", "tune.json"


def write_training_files(out: Path, size: ModelSize, recipe: Recipe, seed: int = TRAIN_SEED) -> list[Path]:
    """Write what the recipe `demo-tiny` of `pid-train` trains on.

    Args:
        out: a folder that is new or empty.
        size: shape of the model.
        recipe: how many conversations, how many steps of vision pre-training, and the share without picture.
        seed: seed of the draw and of the weights.

    Returns:
        The model's folder and the files.

    Raises:
        OutputExistsError: the folder holds something.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputExistsError(f"`{out}` exists and is not empty; choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    times = dict(recipe.emphasis)
    seen = [
        conversation(item, name)
        for name in TASKS
        for item in make_items(get_task(name), recipe.conversations * times.get(name, 1), seed)
    ]
    captions = [
        caption_conversation(item, name)
        for name in TASKS
        for item in make_items(get_task(name), recipe.conversations, seed)
    ]
    share = recipe.stages[-1].no_image_share
    blind = np.random.default_rng(seed).random(len(seen)) < share
    mixed = [_without_picture(record) if lost else record for record, lost in zip(seen, blind, strict=True)]
    files = [_write(out / name, records) for name, records in ((CAPTIONS, captions), (ALIGN, seen), (TUNE, mixed))]
    return [_write_model(out / "model", size, recipe, seed), *files]


def _write_model(folder: Path, size: ModelSize, recipe: Recipe, seed: int) -> Path:
    data = training_set(size, recipe, seed)
    model = build_model(size, data.processor.tokenizer, seed=seed)
    assert data.seen.pixels is not None
    pretrain_vision(getattr(model.model, VISION), data.seen.pixels, data.classes, recipe.vision_steps, seed)
    model.save_pretrained(folder)
    data.processor.save_pretrained(folder)
    return folder


def _without_picture(record: dict[str, Any]) -> dict[str, Any]:
    turns = [{**turn, "value": turn["value"].replace("<image>\n", "")} for turn in record["conversations"]]
    return {**{key: value for key, value in record.items() if key != "image"}, "conversations": turns}


def _write(path: Path, records: Sequence[dict[str, Any]]) -> Path:
    path.write_text(json.dumps(records), encoding="utf-8")
    return path
