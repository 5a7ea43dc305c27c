"""Make the demo from nothing: items and cards of the world, and the checkpoints of every model size."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import LlavaForConditionalGeneration, LlavaProcessor

from pid_lvlm.data.errors import OutputExistsError
from pid_lvlm.data.world import (
    TASKS,
    Item,
    caption_conversation,
    conversation,
    get_task,
    make_items,
    write_card,
    write_items,
)
from pid_lvlm.extract.training.build_model import build_model, build_processor, parameter_count, save_checkpoint
from pid_lvlm.extract.training.checkpoint_index import INDEX, SWEEP, Checkpoint, write_index
from pid_lvlm.extract.training.config import VISION, ModelSize, Recipe
from pid_lvlm.extract.training.conversations import Conversations, prepare
from pid_lvlm.extract.training.demo.recipe import SIZES
from pid_lvlm.extract.training.demo.tokenizer import CHAT_TEMPLATE, build_tokenizer
from pid_lvlm.extract.training.demo.vision_pretraining import pretrain_vision
from pid_lvlm.extract.training.train_stage import Report, run_stage

ITEMS = 1024
ITEM_SEED, TRAIN_SEED = 0, 1
# Shows the progress of a named part with so many steps; yields what to call after each step.
Progress = Callable[[str, int], AbstractContextManager[Report]]


def make_items_and_cards(out: Path, count: int = ITEMS) -> None:
    """Write the items and the dataset card of every task.

    Args:
        out: The demo's folder; files go to `items/` in it.
        count: Items per task.
    """
    folder = out / "items"
    folder.mkdir(parents=True, exist_ok=True)
    for name in TASKS:
        task = get_task(name)
        write_items(make_items(task, count, ITEM_SEED), folder / f"{name}.jsonl")
        write_card(task, folder / f"{name}.toml")


def prepare_output(out: Path) -> None:
    """Make room for new checkpoints in a folder that is new, empty or a demo already.

    Args:
        out: The demo's folder.

    Raises:
        OutputExistsError: If the folder holds something else.
    """
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / "items").is_dir())):
        message = f"`{out}` exists and is not a demo folder; choose another --out"
        raise OutputExistsError(message)
    out.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    for name in (INDEX, SWEEP):
        (out / name).unlink(missing_ok=True)


@dataclass(frozen=True)
class TrainingSet:
    """What every size is trained on.

    Attributes:
        processor: Tokenizer and picture processor.
        captions: Conversations with the picture in words.
        seen: Conversations with pictures.
        classes: What each picture shows, as a class for vision pre-training.
    """

    processor: LlavaProcessor
    captions: Conversations
    seen: Conversations
    classes: torch.Tensor


def training_set(size: ModelSize, recipe: Recipe, seed: int = TRAIN_SEED) -> TrainingSet:
    """Draw training data from the world; its pictures are not those of the shipped items.

    Args:
        size: Shape of the model, for its processor.
        recipe: How many conversations per task.
        seed: Seed of the draw.

    Returns:
        The training set.
    """
    times = dict(recipe.emphasis)
    counts = {name: recipe.conversations * times.get(name, 1) for name in TASKS}
    pairs: list[tuple[str, Item]] = [
        (name, item) for name, count in counts.items() for item in make_items(get_task(name), count, seed)
    ]
    seen = [conversation(item, name) for name, item in pairs]
    captions = [
        caption_conversation(item, name)
        for name in TASKS
        for item in make_items(get_task(name), recipe.conversations, seed)
    ]
    processor = build_processor(size, build_tokenizer(_corpus()), CHAT_TEMPLATE)
    scenes = {scene: index for index, scene in enumerate(sorted({(i.scene.kind, i.scene.value) for _, i in pairs}))}
    classes = torch.tensor([scenes[(item.scene.kind, item.scene.value)] for _, item in pairs])
    return TrainingSet(processor, prepare(captions, processor), prepare(seen, processor), classes)


def _corpus() -> Iterator[str]:
    """Every text of the world, so that the vocabulary does not depend on a draw."""
    for name in TASKS:
        task = get_task(name)
        yield from (scene.caption for scene in task.scenes)
        yield from (" ".join([question.text, *question.options]) for question in task.questions)
    yield from (turn["value"] for turn in conversation(make_items(get_task("sight"), 1)[0], "")["conversations"])
    yield "A B C D"


def train(
    size: ModelSize, recipe: Recipe, data: TrainingSet, out: Path, progress: Progress
) -> tuple[LlavaForConditionalGeneration, list[Checkpoint]]:
    """Train one size from random weights to its last checkpoint.

    Args:
        size: Shape of the model.
        recipe: Steps and rates.
        data: What to train on.
        out: The demo's folder; checkpoints go to `checkpoints/SIZE/` in it.
        progress: Shows the progress of each part.

    Returns:
        The trained model and what was kept.
    """
    model = build_model(size, data.processor.tokenizer, seed=TRAIN_SEED)
    kept: list[Checkpoint] = []
    with progress(f"{size.name}: text", recipe.text.steps) as report:
        run_stage(model, recipe.text, data.captions, TRAIN_SEED, report)
    with progress(f"{size.name}: vision", recipe.vision_steps) as report:
        tower = getattr(model.model, VISION)
        pixels = data.seen.pixels
        assert pixels is not None
        pretrain_vision(tower, pixels, data.classes, recipe.vision_steps, TRAIN_SEED, report=report)
    for stage in recipe.stages:

        def keep(step: int, name: str = stage.name, last: bool = stage is recipe.stages[-1]) -> None:
            folder = f"checkpoints/{size.name}/{name}-{step:04d}"
            save_checkpoint(model, data.processor, out / folder)
            final = last and step == recipe.stages[-1].steps
            billions = parameter_count(model) / 1e9
            kept.append(Checkpoint(folder, f"demo-llava-{size.name}", billions, name, step, final))

        with progress(f"{size.name}: {stage.name}", stage.steps) as report:
            run_stage(model, stage, data.seen, TRAIN_SEED, report, keep)
    return model, kept


def make_demo(out: Path, sizes: list[str], recipe: Recipe, progress: Progress) -> list[Checkpoint]:
    """Make items, cards, checkpoints, their index and the sweep.

    Args:
        out: The demo's folder.
        sizes: Names of the sizes to train.
        recipe: Steps and rates.
        progress: Shows the progress of each part.

    Returns:
        Every checkpoint kept, in the order of training.
    """
    prepare_output(out)
    make_items_and_cards(out)
    kept = []
    for name in sizes:
        data = training_set(SIZES[name], recipe)
        kept += train(SIZES[name], recipe, data, out, progress)[1]
    write_index(out, kept, [f"items/{name}.toml" for name in TASKS])
    return kept
