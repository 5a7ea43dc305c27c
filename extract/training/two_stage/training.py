"""A whole training: check everything, then train stage by stage, or continue where an earlier call stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import MISSING, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from accelerate import PartialState
from transformers import PrinterCallback
from transformers.integrations import INTEGRATION_TO_CALLBACK, get_available_reporting_integrations

from pid_lvlm.data.command.shown import shown, shown_path
from pid_lvlm.data.command.suggest import unknown_name
from pid_lvlm.data.errors import OutputExistsError
from pid_lvlm.data.files import write_atomic
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.training.checkpoint_index import Checkpoint
from pid_lvlm.extract.training.two_stage.assemble import load_checkpoint, load_model, set_pictures
from pid_lvlm.extract.training.two_stage.averaging import averaging
from pid_lvlm.extract.training.two_stage.checkpoints import DTYPES, folder_name, save_checkpoint, write_series
from pid_lvlm.extract.training.two_stage.dropout import ModalityDropout
from pid_lvlm.extract.training.two_stage.errors import DataError, RecipeError, ResumeError
from pid_lvlm.extract.training.two_stage.losses import LOSSES, LossTable
from pid_lvlm.extract.training.two_stage.parts import frozen_in, select_parts, trained_count
from pid_lvlm.extract.training.two_stage.plan import (
    StagePlan,
    check_space,
    disk_bytes,
    memory_bytes,
    plan_batch,
)
from pid_lvlm.extract.training.two_stage.recipe import LANGUAGE, PROJECTOR, VISION, Recipe, StageRecipe, recipe_values
from pid_lvlm.extract.training.two_stage.records.encoding import Encoder
from pid_lvlm.extract.training.two_stage.records.order import training_order
from pid_lvlm.extract.training.two_stage.records.picture_inputs import check_processor
from pid_lvlm.extract.training.two_stage.records.stage_data import Collator, InOrder, StageData, check_data
from pid_lvlm.extract.training.two_stage.speed import Clock, write_speed
from pid_lvlm.extract.training.two_stage.stage_trainer import (
    Keeper,
    Resumable,
    StageTrainer,
    Watch,
    arguments,
    forget_broken,
    newest_state,
)

RECORD: Final = "training.json"
"""File that identifies the training in an output folder."""
STATES: Final = ".states"
"""Folder of resumable states; removed when the training is done."""
WORK: Final = ("device_batch", "log_every", "resume_every", "report_to", "gradient_checkpointing")
"""Recipe keys that may change when a training is resumed: they affect rounding at most."""


@dataclass(frozen=True)
class Prepared:
    """A training that has been checked.

    Attributes:
        recipe: the recipe.
        adapter: the model with its processor, without weights.
        data: the records of each stage.
        plans: what each stage will do.
    """

    recipe: Recipe
    adapter: Adapter
    data: tuple[StageData, ...]
    plans: tuple[StagePlan, ...]


def prepare(
    recipe: Recipe, devices: int, checking: Callable[[str, int, int], None] = lambda stage, done, total: None
) -> Prepared:
    """Check a recipe, its model and all its data; nothing is trained or written.

    Args:
        recipe: the recipe.
        devices: number of devices that will share the work.
        checking: called with the stage and the numbers of checked and of all records.

    Raises:
        RecipeError: the recipe does not fit its model or the devices.
        DataError: records cannot be used.
        ModelError: a model cannot be read.
    """
    _check_trackers(recipe.report_to)
    adapter = load_model(recipe.model, recipe.seed, weights=False)
    check_processor(adapter)
    data, plans = [], []
    for stage in recipe.stages:
        set_pictures(adapter, stage.pictures)
        found = check_data(Encoder(adapter, stage), partial(checking, stage.name))
        data.append(found)
        total = sum(weight.numel() for weight in adapter.model.parameters())
        trained = _planned_count(recipe, stage)
        train, held = found.split(stage.held_out, recipe.seed)
        if LANGUAGE not in stage.train and not train.pictured.any():
            message = f"stage `{stage.name}` trains {' and '.join(stage.train)}, but none of its records has a picture"
            raise RecipeError(f"{message}; give records with `image`, or train the language model as well")
        steps = stage.step_count(len(train.rows))
        checkpoints = stage.checkpoint_steps(steps)
        plans.append(
            StagePlan(
                stage.name,
                stage.train,
                trained,
                total,
                len(train.rows),
                int(train.pictured.sum()),
                0 if held is None else len(held.rows),
                found.bad,
                int(train.lengths.sum()),
                steps,
                checkpoints,
                stage.averaged_after(len(train.rows)),
                plan_batch(stage.batch_size, devices, recipe.device_batch, stage.name),
                memory_bytes(recipe, stage, trained, total),
                disk_bytes(recipe, stage, trained, total, len(checkpoints), steps),
            )
        )
    return Prepared(recipe, adapter, tuple(data), tuple(plans))


def _check_trackers(names: Sequence[str]) -> None:
    for name in names:
        if name not in INTEGRATION_TO_CALLBACK:
            raise RecipeError(unknown_name("`report_to` has the unknown tracker", name, INTEGRATION_TO_CALLBACK))
        if name not in get_available_reporting_integrations():
            raise RecipeError(f"`report_to`: the library of {name} is not installed; install it, or leave it out")


def _planned_count(recipe: Recipe, stage: StageRecipe) -> int:
    fresh = load_model(recipe.model, recipe.seed, weights=False)
    return trained_count(select_parts(fresh, stage.train, stage.lora))


def run(prepared: Prepared, out: Path, watch: Watch, *, cpu: bool = False, workers: int = 0) -> list[Checkpoint]:
    """Train every stage that is not done yet.

    Args:
        prepared: the checked training.
        out: folder for checkpoints, losses and the series file.
        watch: callbacks for progress.
        cpu: whether to use the CPU even if there is another device.
        workers: processes that read records and prepare pictures while the device computes.

    Returns:
        The checkpoints of the whole training.

    Raises:
        ResumeError: the folder holds another training.
        OutputExistsError: the folder holds something else.
        SpaceError: the disk has too little space.
    """
    process = PartialState(cpu=cpu)
    if process.is_main_process:
        _claim(prepared, out)
    process.wait_for_everyone()
    names = [stage.name for stage in prepared.recipe.stages]
    last = folder_name(len(names), names[-1], prepared.plans[-1].steps)
    size_b = prepared.plans[0].total / 1e9
    previous: Path | None = None
    for number, (stage, data, plan) in enumerate(
        zip(prepared.recipe.stages, prepared.data, prepared.plans, strict=True), start=1
    ):
        end = out / folder_name(number, stage.name, plan.steps)
        if not end.exists():
            one = _Stage(prepared.recipe, stage, data, plan, number, out, previous, watch, cpu, workers)
            one.train(lambda: write_series(out, prepared.recipe.name, size_b, names, last))
        previous = end
    process.wait_for_everyone()
    if process.is_main_process:
        shutil.rmtree(out / STATES, ignore_errors=True)
    return write_series(out, prepared.recipe.name, size_b, names, last) if process.is_main_process else []


@dataclass(frozen=True)
class _Stage:
    recipe: Recipe
    stage: StageRecipe
    data: StageData
    plan: StagePlan
    number: int
    out: Path
    previous: Path | None
    watch: Watch
    cpu: bool
    workers: int

    def train(self, index: Callable[[], Any]) -> None:
        recipe, stage, plan = self.recipe, self.stage, self.plan
        states = self.out / STATES / f"{self.number}-{stage.name}"
        adapter = load_model(recipe.model, recipe.seed) if self.previous is None else load_checkpoint(self.previous)
        set_pictures(adapter, stage.pictures)
        adapter.tokenizer.padding_side = "left"
        decoder, width = adapter.decoder, adapter.model.get_input_embeddings().weight.shape[1]
        model = select_parts(adapter, stage.train, stage.lora)
        process = PartialState()
        if process.num_processes == 1:
            frozen_in(model, DTYPES[recipe.dtype])
        sources = len(self.data.sources)
        dropout = ModalityDropout(decoder, width, recipe.seed, sources) if stage.modality_dropout else None
        encoder = Encoder(adapter, stage)
        train, held = replace(self.data, encoder=encoder).split(stage.held_out, recipe.seed)
        order = training_order(
            train.lengths,
            train.pictured,
            stage.batch_size,
            plan.steps,
            recipe.seed,
            grouped=stage.grouped,
            systematic=stage.systematic,
        )
        blank = encoder.blank() if self._meets_text_alone(train, process.num_processes) else None
        collate = Collator(_pad(adapter), encoder.fillers, blank, spans=dropout is not None)
        trainer = StageTrainer(
            model=model,
            args=arguments(recipe, stage, plan, states, use_cpu=self.cpu, dataloader_num_workers=self.workers),
            data_collator=collate,
            train_dataset=InOrder(train, order, stage.modality_dropout, recipe.seed, systematic=stage.systematic),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.dropout = dropout
        average = averaging(trainer, stage.name, plan.averaged_after)
        parts: list[Resumable] = [part for part in (dropout, average) if part is not None]
        writes = trainer.is_world_process_zero()
        if writes:
            forget_broken(states)
        process.wait_for_everyone()
        state = newest_state(states)
        losses = LossTable(self.out / LOSSES) if writes else None
        begun = 0 if state is None else int(state.name.rpartition("-")[2])
        if losses is not None:
            later = tuple(other.name for other in recipe.stages[self.number :])
            losses.forget_after(stage.name, begun, later)
        if state is not None:
            self.watch.note(f"stage {stage.name} continues after step {begun:,}")
            for part in parts:
                part.load(state)

        apart = None if held is None else InOrder(held, np.arange(len(held.rows)), again=True)
        plain = Collator(collate.pad, collate.fillers, collate.blank)

        kept = nullcontext if average is None else average.in_place

        def measure() -> float | None:
            if apart is None:
                return None
            with kept():
                return trainer.held_out_loss(apart, plain)

        def keep(step: int) -> None:
            with kept():
                weights = trainer.accelerator.get_state_dict(trainer.model_wrapped)
                if writes:
                    folder = self.out / folder_name(self.number, stage.name, step)
                    whole = trainer.accelerator.unwrap_model(trainer.model_wrapped)
                    save_checkpoint(whole, weights, adapter.processor, folder, recipe.dtype, self._base())
                    index()
            process.wait_for_everyone()

        clock = Clock(train.lengths[order].reshape(plan.steps, -1).sum(1), stage.batch_size)
        trainer.add_callback(Keeper(plan, losses, self.watch, measure, keep, parts, clock))
        try:
            trainer.train(resume_from_checkpoint=None if state is None else str(state))
        except DataError as error:  # a worker's error contains its traceback
            raise DataError(str(error).rpartition(f"{DataError.__name__}: ")[2].strip()) from None
        if dropout is not None:
            dropout.remove()
        if writes:
            write_speed(self.out, stage.name, clock.speed(plan.steps), process.num_processes)
            shutil.rmtree(states, ignore_errors=True)

    def _meets_text_alone(self, data: StageData, processes: int) -> bool:
        """Whether a text-only step would leave weights that process pictures without a gradient.

        AdamW would skip them in such a step on one device, but not on several if another has a picture.
        """
        seeing = processes > 1 or {PROJECTOR, VISION} & {*self.stage.train}
        return bool(seeing and data.pictured.any() and not data.pictured.all())

    def _base(self) -> str | None:
        """The base of low-rank changes, relative to the checkpoint's folder."""
        if self.stage.lora is None:
            return None
        return f"../{self.previous.name}" if self.previous is not None else str(self.recipe.model.checkpoint)


def _pad(adapter: Adapter) -> int:
    tokenizer = adapter.tokenizer
    return int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id)


def _claim(prepared: Prepared, out: Path) -> None:
    """Claim the folder for this training, or check that it already belongs to it."""
    values = _identity(prepared)
    record = out / RECORD
    if out.exists() and not out.is_dir():
        raise OutputExistsError(f"`{shown_path(out)}` is a file; choose another --out")
    if record.exists():
        _compare(_read_record(record), values, out)
    elif out.is_dir() and any(out.iterdir()):
        message = f"`{shown_path(out)}` holds something other than a training; choose another --out"
        raise OutputExistsError(message)
    done = sum(file.stat().st_size for file in out.rglob("*") if file.is_file()) if out.is_dir() else 0
    check_space(out, prepared.plans, done)
    write_atomic(record, (json.dumps(values, indent=2, default=str) + "\n").encode())


def _read_record(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("recipe"), dict):
        message = f"`{shown_path(path)}` is damaged, so its training cannot be continued; choose another --out"
        raise ResumeError(message)
    return found


def _identity(prepared: Prepared) -> dict[str, Any]:
    recipe = {key: value for key, value in recipe_values(prepared.recipe).items() if key not in WORK}
    for key in ("checkpoint", "language", "vision"):
        if recipe["model"][key] is not None and Path(recipe["model"][key]).is_dir():
            recipe["model"][key] = Path(recipe["model"][key]).name
    for stage, data in zip(recipe["stages"], prepared.data, strict=True):
        stage["data"] = Path(stage["data"]).name
        stage["images"] = Path(stage["images"]).name
        stage["records"] = len(data.rows)
        stage["bytes"] = int(data.file.spans[-1, 1])
    return dict(json.loads(json.dumps({"recipe": recipe}, default=str)))


def _compare(begun: Any, now: dict[str, Any], out: Path) -> None:
    old, new = (_flat("", value["recipe"]) for value in (begun, now))
    for key in (*new, *old):
        before = old.get(key, _default(key))
        if before != new.get(key):
            message = (
                f"`{shown_path(out)}` holds a training with `{key}` = {shown(before)}, but the recipe has "
                f"{shown(new.get(key))}; choose another --out, or the original recipe"
            )
            raise ResumeError(message)


def _default(key: str) -> Any:
    """What a training of an earlier version did that did not have this key of a stage yet."""
    name = key.rpartition("].")[2]
    return next((one.default for one in fields(StageRecipe) if one.name == name and one.default is not MISSING), None)


def _flat(place: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        inner = [(f"{place}.{key}" if place else key, one) for key, one in value.items()]
    elif isinstance(value, list):
        inner = [(f"{place}[{index}]", one) for index, one in enumerate(value)]
    else:
        return {place: value}
    return {key: one for at, child in inner for key, one in _flat(at, child).items()}
