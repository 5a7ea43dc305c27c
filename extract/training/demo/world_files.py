"""The world as files for `pid-train`: initial models, records in LLaVA's format, and a recipe per model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from pid_lvlm.data.errors import OutputExistsError
from pid_lvlm.data.world import TASKS, Item, caption_conversation, conversation, get_task, make_items
from pid_lvlm.extract.training.demo.models import DemoModel
from pid_lvlm.extract.training.demo.vision_pretraining import pretrain_vision
from pid_lvlm.extract.training.two_stage.recipe import find_recipe

CAPTIONS, ALIGN, TUNE = "captions.json", "align.json", "tune.json"
SEED: Final = 1
"""Seed for everything drawn for training; the shipped items have another."""
SHIPPED_RECIPE: Final = "demo-tiny"


@dataclass(frozen=True)
class World:
    """Training data drawn from the world.

    Attributes:
        conversations: Conversations per task.
        emphasis: Factor for some tasks, for records with pictures: a table is harder to learn than a rule.
        text_emphasis: The same for records without pictures: looking up an option takes a language model long to learn.
        no_image_share: Share of records in the last stage whose picture is removed.
        vision_steps: Steps of vision pre-training as a classifier.
        quick: Whether recipes have almost no steps, to test the whole pipeline.
    """

    conversations: int = 2048
    emphasis: tuple[tuple[str, int], ...] = (("blend", 16), ("fusion", 4), ("knowledge", 4))
    text_emphasis: tuple[tuple[str, int], ...] = (("fusion", 4), ("knowledge", 4))
    no_image_share: float = 0.08
    vision_steps: int = 200
    quick: bool = False


QUICK: Final = World(conversations=32, emphasis=(), text_emphasis=(), vision_steps=2, quick=True)
_SHORT: Final = {"steps": 2, "batch_size": 8, "device_batch": 8, "held_out": 4, "log_every": 1}
"""Values of a quick recipe."""


def write_training_files(out: Path, models: Sequence[DemoModel], world: World = World()) -> list[Path]:
    """Write everything that `pid-train` needs to train models of the demo.

    Args:
        out: a folder that is new or empty.
        models: the models to write.
        world: how much data to draw.

    Returns:
        The recipe of each model: `NAME.toml`, next to its folder and the record files.

    Raises:
        OutputExistsError: the folder is not empty.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputExistsError(f"`{out}` exists and is not empty; choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    seen, told = (_pairs(world.conversations, emphasis) for emphasis in (world.emphasis, world.text_emphasis))
    captions = [caption_conversation(item, task) for task, item in told]
    records = [conversation(item, task) for task, item in seen]
    blind = np.diff(np.floor(np.arange(len(records) + 1) * world.no_image_share)) > 0
    mixed = [_without_picture(record) if lost else record for record, lost in zip(records, blind, strict=True)]
    for name, content in ((CAPTIONS, captions), (ALIGN, records), (TUNE, mixed)):
        (out / name).write_text(json.dumps(content), encoding="utf-8")
    texts = list(corpus())
    return [_write_model(out, model, texts, [item for _, item in seen], world) for model in models]


def _pairs(count: int, emphasis: tuple[tuple[str, int], ...]) -> list[tuple[str, Item]]:
    """Items with the names of their tasks; those of a task are sorted by what they ask, show and answer.

    Modality dropout and the records without a picture then take the same share of every kind of item.
    """
    times = dict(emphasis)
    drawn = {name: make_items(get_task(name), count * times.get(name, 1), SEED) for name in TASKS}
    return [(name, item) for name, items in drawn.items() for item in sorted(items, key=_kind)]


def _kind(item: Item) -> tuple[Any, ...]:
    return astuple(item.question), astuple(item.scene), item.answer


def corpus() -> Iterator[str]:
    """All texts of the world, so that the vocabulary does not depend on a draw."""
    for name in TASKS:
        task = get_task(name)
        yield from (scene.caption for scene in task.scenes)
        yield from (" ".join([question.text, *question.options]) for question in task.questions)
    (item,) = make_items(get_task("sight"), 1)
    yield from (turn["value"].replace("<image>", "") for turn in conversation(item, "")["conversations"])
    yield "A B C D"


def _write_model(out: Path, model: DemoModel, texts: list[str], items: Sequence[Item], world: World) -> Path:
    made, processor = model.build(texts, SEED)
    pretrain_vision(model.family, made, processor, items, world.vision_steps, SEED)
    made.save_pretrained(out / model.name)
    processor.save_pretrained(out / model.name)
    recipe = out / f"{model.name}.toml"
    recipe.write_text(recipe_text(model.name, quick=world.quick), encoding="utf-8", newline="\n")
    return recipe


def recipe_text(name: str, *, quick: bool = False) -> str:
    """The demo's recipe for one of its models.

    Args:
        name: name of the model, and of the folder with its initial weights.
        quick: whether it has almost no steps.
    """
    values: dict[str, Any] = {"name": f'"{name}"', "checkpoint": f'"{name}"'} | (_SHORT if quick else {})
    text = find_recipe(SHIPPED_RECIPE).read_text(encoding="utf-8")
    head, table = text.split("\n[model]\n")
    table = re.sub(rf"(?m)^({'|'.join(values.keys() - {'name'})}) = [^#\n]*", lambda key: _line(key[1], values), table)
    head = re.sub(rf"(?m)^({'|'.join(values)}) = [^#\n]*", lambda key: _line(key[1], values), head)
    return f"{head}\n[model]\n{table}"


def _line(key: str, values: dict[str, Any]) -> str:
    return f"{key} = {values[key]}"


def _without_picture(record: dict[str, Any]) -> dict[str, Any]:
    turns = [{**turn, "value": turn["value"].replace("<image>\n", "")} for turn in record["conversations"]]
    return {**{key: value for key, value in record.items() if key != "image"}, "conversations": turns}
