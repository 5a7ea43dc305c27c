"""Plans what a training will do and need: steps, batches, checkpoints, memory and disk."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pid_lvlm.data.command.shown import shown_path
from pid_lvlm.extract.training.two_stage.errors import RecipeError, SpaceError
from pid_lvlm.extract.training.two_stage.recipe import Recipe, StageRecipe

ADAM_BYTES: Final = 16
"""Bytes of memory per trained parameter: weight, gradient and AdamW's two averages in float32."""
STATE_BYTES: Final = 12
"""Bytes on disk per trained parameter: weight and AdamW's two averages."""
MEAN_BYTES: Final = 4
"""Bytes of memory and on disk per trained parameter of the mean of the weights, where a stage averages them."""
STATES_KEPT: Final = 2
"""Number of resumable states that are kept: the newest may be half-written."""
BYTES: Final = {"float32": 4, "bfloat16": 2}
GIB: Final = 2**30


@dataclass(frozen=True)
class BatchPlan:
    """How an effective batch is divided: `devices` · `per_device` · `accumulation` is the effective batch."""

    devices: int
    per_device: int
    accumulation: int

    @property
    def effective(self) -> int:
        """Number of records per step."""
        return self.devices * self.per_device * self.accumulation


@dataclass(frozen=True)
class StagePlan:
    """One stage of a training.

    Attributes:
        name: of the stage.
        parts: the parts that are trained.
        trained: number of trained parameters.
        total: number of parameters of the whole model.
        records: number of records to train on.
        pictured: number of those with a picture.
        held_out: number of held-out records.
        bad: number of records left out.
        tokens: number of tokens of all records, including pictures.
        steps: number of steps.
        checkpoints: steps after which a checkpoint is kept.
        averaged_after: the step after which weights are averaged, or None.
        batch: how a step's records are divided.
        memory_bytes: estimated memory per device for weights, gradients and the optimiser, without activations.
        disk_bytes: estimated maximum size of the stage's checkpoints and resumable states.
    """

    name: str
    parts: tuple[str, ...]
    trained: int
    total: int
    records: int
    pictured: int
    held_out: int
    bad: int
    tokens: int
    steps: int
    checkpoints: tuple[int, ...]
    averaged_after: int | None
    batch: BatchPlan
    memory_bytes: int
    disk_bytes: int

    def lines(self) -> list[str]:
        """The plan as text."""
        batch = self.batch
        bad = f", {self.bad:,} left out" if self.bad else ""
        held = f", {self.held_out:,} held out" if self.held_out else ""
        mean = "" if self.averaged_after is None else f"; weights averaged after step {self.averaged_after:,}"
        share = 100 * self.trained / max(self.total, 1)
        return [
            f"stage {self.name}: trains {' and '.join(self.parts)}: {self.trained:,} of {self.total:,} parameters "
            f"({share:.3g} %)",
            f"  {self.records:,} records, {self.pictured:,} with a picture{held}{bad}; {self.tokens:,} tokens",
            f"  {self.steps:,} steps of {batch.effective:,} records: {batch.devices} device(s) × {batch.per_device} "
            f"records × {batch.accumulation} accumulated",
            f"  checkpoints after steps {', '.join(f'{step:,}' for step in self.checkpoints)}{mean}",
            f"  about {self.memory_bytes / GIB:.3g} GiB of memory on one device, without activations; about "
            f"{self.disk_bytes / GIB:.3g} GiB on disk",
        ]


def plan_batch(effective: int, devices: int, most: int, stage: str) -> BatchPlan:
    """Divide an effective batch over devices.

    Raises:
        RecipeError: it does not divide evenly over the devices.

    Example:
        >>> plan_batch(256, 4, 16, "align")
        BatchPlan(devices=4, per_device=16, accumulation=4)
    """
    if effective % devices:
        message = f"stage `{stage}`: {devices} devices cannot share a batch_size of {effective:,} evenly"
        raise RecipeError(f"{message}; use a number of devices that divides it")
    share = effective // devices
    per_device = next(size for size in range(min(most, share), 0, -1) if share % size == 0)
    return BatchPlan(devices, per_device, share // per_device)


def memory_bytes(recipe: Recipe, stage: StageRecipe, trained: int, total: int) -> int:
    """Memory for weights, gradients and the optimiser of one device that holds everything, without activations."""
    return (ADAM_BYTES + _mean_bytes(stage)) * trained + BYTES[recipe.dtype] * (total - trained)


def resume_every(recipe: Recipe, steps: int) -> int:
    """Steps between resumable states: a multiple of the steps between rows of the losses."""
    wanted = recipe.resume_every or max(1, steps // 20)
    return -(-wanted // recipe.log_every) * recipe.log_every


def disk_bytes(recipe: Recipe, stage: StageRecipe, trained: int, total: int, checkpoints: int, steps: int) -> int:
    """Disk use of a stage: its checkpoints, and while it runs, its resumable states."""
    kept = 4 * trained if stage.lora is not None else BYTES[recipe.dtype] * total
    states = min(STATES_KEPT, (steps - 1) // resume_every(recipe, steps))
    return checkpoints * kept + states * (STATE_BYTES + _mean_bytes(stage)) * trained


def _mean_bytes(stage: StageRecipe) -> int:
    return MEAN_BYTES if stage.averaged_epochs else 0


def check_space(out: Path, plans: Sequence[StagePlan], done: int) -> None:
    """Reject a training that will not fit on the disk.

    Args:
        out: the output folder.
        plans: the stages.
        done: bytes already in the folder.

    Raises:
        SpaceError: says how much is needed and how much is free.
    """
    there = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    states = [plan.disk_bytes for plan in plans]
    needed = max(0, sum(states) - done)
    if needed > free:
        message = (
            f"the training will write about {needed / GIB:.3g} GiB to `{shown_path(out)}`, but only {free / GIB:.3g} "
            "GiB are free; free space, choose another --out, or keep fewer `checkpoints`"
        )
        raise SpaceError(message)
