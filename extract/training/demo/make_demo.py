"""Make the demo from scratch: items and cards of the world, and every model's checkpoints, trained by `pid-train`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from pid_lvlm.data.errors import OutputExistsError, PidError
from pid_lvlm.data.world import TASKS, get_task, make_items, write_card, write_items
from pid_lvlm.extract.training.checkpoint_index import INDEX, SWEEP, Checkpoint, write_index
from pid_lvlm.extract.training.demo.models import DemoModel
from pid_lvlm.extract.training.demo.ship import ship
from pid_lvlm.extract.training.demo.world_files import World, write_training_files
from pid_lvlm.extract.training.two_stage.losses import LOSSES
from pid_lvlm.extract.training.two_stage.recipe import read_recipe

ITEMS: Final = 1024
ITEM_SEED: Final = 0
CROSSED: Final = "demo-llava-small"
"""The model that is also measured with crossed pairs."""
WORK: Final = ".training"
"""Subfolder in which the demo's models are trained; the same command resumes from it."""
READY: Final = "ready"
"""Marker file: all training data is written."""
Progress = Callable[[str, int, int, float | None], None]
"""Called with a model, its steps so far over all stages, their total, and the last loss."""


class TrainingFailedError(PidError):
    """`pid-train` has failed; the message is its own."""


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


def check_output(out: Path) -> None:
    """Refuse a folder that is not new, empty or a demo already.

    Args:
        out: The demo's folder.

    Raises:
        OutputExistsError: If the folder holds something else.
    """
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / "items").is_dir())):
        message = f"`{out}` exists and is not a demo folder; choose another --out"
        raise OutputExistsError(message)
    out.mkdir(parents=True, exist_ok=True)


def make_demo(
    out: Path, models: Sequence[DemoModel], world: World, processes: int, progress: Progress = lambda *_: None
) -> list[Checkpoint]:
    """Make items, cards, checkpoints, their index and the sweep.

    Existing checkpoints are replaced once all models are trained.

    Args:
        out: The demo's folder.
        models: Which models to train.
        world: What they are trained on.
        processes: Trainings that run at the same time, with one thread each.
        progress: Called with the progress of each training.

    Returns:
        All saved checkpoints, in the order of training.

    Raises:
        OutputExistsError: If the folder holds something else.
        TrainingFailedError: If a training fails.
    """
    check_output(out)
    make_items_and_cards(out)
    work = out / WORK
    if not (work / READY).exists():
        shutil.rmtree(work, ignore_errors=True)
        write_training_files(work, models, world)
        (work / READY).touch()
    _train_all(work, models, processes, progress)
    for folder in ("checkpoints", "training"):
        shutil.rmtree(out / folder, ignore_errors=True)
    for name in (INDEX, SWEEP):
        (out / name).unlink(missing_ok=True)
    kept = [entry for model in models for entry in ship(_output(work, model), out, model.folder)]
    write_index(out, kept, [f"items/{name}.toml" for name in TASKS], CROSSED)
    shutil.rmtree(work)
    return kept


def _output(work: Path, model: DemoModel) -> Path:
    return work / f"{model.name}-out"


def _train_all(work: Path, models: Sequence[DemoModel], processes: int, progress: Progress) -> None:
    """Train all models, slowest first, and report their progress.

    A Qwen2-VL takes a sixth longer than a LLaVA of its size.
    """
    totals = {model.name: _planned_steps(work / f"{model.name}.toml") for model in models}
    longest_first = sorted(models, key=lambda model: (model.size.hidden, model.name), reverse=True)
    with ThreadPoolExecutor(processes) as pool:
        running: list[Future[None]] = [pool.submit(_train, work, model) for model in longest_first]
        try:
            finished = False
            while not finished and not any(one.done() and one.exception() for one in running):
                time.sleep(0.5)
                finished = all(one.done() for one in running)
                for model in models:
                    done, loss = _steps_done(work, model)
                    progress(model.name, done, totals[model.name], loss)
        finally:
            pool.shutdown(cancel_futures=True)
    for one in running:
        if not one.cancelled():
            one.result()


def _planned_steps(recipe: Path) -> int:
    return sum(stage.steps or 0 for stage in read_recipe(recipe).stages)


def _train(work: Path, model: DemoModel) -> None:
    command = [sys.executable, "-m", "pid_lvlm.extract.training.two_stage.cli", str(work / f"{model.name}.toml")]
    options = ["--out", str(_output(work, model)), "--device", "cpu", "--threads", "1", "--quiet"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, *options], capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise TrainingFailedError(f"pid-train of {model.name} failed: {done.stderr.strip()[-2000:]}")


def _steps_done(work: Path, model: DemoModel) -> tuple[int, float | None]:
    """Number of steps over all stages for which a training has written losses, and the last loss."""
    table = _output(work, model) / LOSSES
    if not table.exists():
        return 0, None
    last: dict[str, int] = {}
    loss = None
    for line in table.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:  # being written
            continue
        last[row["stage"]], loss = row["step"], row["loss"]
    return sum(last.values()), loss
