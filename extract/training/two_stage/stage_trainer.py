"""Trains one stage with transformers' `Trainer`: what is saved when, and what is measured along the way."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainingArguments

from pid_lvlm.extract.training.two_stage.dropout import ModalityDropout
from pid_lvlm.extract.training.two_stage.errors import RecipeError, ResumeError
from pid_lvlm.extract.training.two_stage.losses import LossTable
from pid_lvlm.extract.training.two_stage.plan import STATES_KEPT, StagePlan, resume_every
from pid_lvlm.extract.training.two_stage.recipe import Recipe, StageRecipe
from pid_lvlm.extract.training.two_stage.records.stage_data import SPANS, Collator, InOrder
from pid_lvlm.extract.training.two_stage.records.tokens import IGNORED
from pid_lvlm.extract.training.two_stage.speed import Clock, Speed

WEIGHTS: Final = "model.safetensors"
COMPLETE: Final = "complete"
"""Marker file of a complete resumable state, written last."""
SCHEDULES: Final = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}


@dataclass(frozen=True)
class Watch:
    """Callbacks of a training.

    Attributes:
        step: called with the stage, the step, the number of steps, the loss, and the seconds left once known.
        note: called with a sentence.
        speed: called with the stage and its speed, before `step`, once it is known.
    """

    step: Callable[[str, int, int, float | None, float | None], None] = lambda *_: None
    note: Callable[[str], None] = lambda _: None
    speed: Callable[[str, Speed], None] = lambda *_: None


def arguments(recipe: Recipe, stage: StageRecipe, plan: StagePlan, states: Path, **more: Any) -> TrainingArguments:
    """The `TrainingArguments` of a stage: one device for each process."""
    made = TrainingArguments(
        output_dir=str(states),
        per_device_train_batch_size=plan.batch.per_device,
        per_device_eval_batch_size=plan.batch.per_device,
        gradient_accumulation_steps=plan.batch.accumulation,
        max_steps=plan.steps,
        learning_rate=stage.learning_rate,
        lr_scheduler_type=SCHEDULES[stage.schedule],
        warmup_steps=math.ceil(stage.warmup * plan.steps),
        weight_decay=stage.weight_decay,
        adam_beta2=stage.beta2,
        max_grad_norm=stage.max_grad_norm,
        optim="adamw_torch",
        bf16=recipe.dtype == "bfloat16",
        activation_checkpointing=recipe.gradient_checkpointing,
        train_sampling_strategy="sequential",
        seed=recipe.seed,
        logging_steps=recipe.log_every,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=resume_every(recipe, plan.steps),
        save_total_limit=STATES_KEPT,
        remove_unused_columns=False,
        label_names=["labels"],
        report_to=list(recipe.report_to) or "none",
        run_name=f"{recipe.name}-{stage.name}",
        disable_tqdm=True,
        **more,
    )
    made._n_gpu = min(made.n_gpu, 1)  # otherwise torch's DataParallel would multiply the batch
    return made


class StageTrainer(Trainer):
    """A `Trainer` that informs modality dropout about each pass."""

    dropout: ModalityDropout | None = None

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """The loss of a share of a step, in nats per answer token of the whole step."""
        inputs = dict(inputs)
        found = [inputs.pop(name, None) for name in SPANS]
        if self.dropout is not None and found[0] is not None:
            self.dropout.announce(*found)
        return super().compute_loss(model, {**inputs, "use_cache": False}, *args, **kwargs)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save the trained weights under their names during training.

        The library would write them under their checkpoint names, and not find them when it continues.
        """
        if self.is_fsdp_enabled or self.is_deepspeed_enabled:
            super().save_model(output_dir, _internal_call)
        elif self.args.should_save:
            folder = Path(output_dir or str(self.args.output_dir))
            folder.mkdir(parents=True, exist_ok=True)
            save_file({name: weight.detach().contiguous() for name, weight in self.trained_weights()}, folder / WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.is_fsdp_enabled or self.is_deepspeed_enabled:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        weights = load_file(Path(resume_from_checkpoint) / WEIGHTS)
        if weights.keys() != {name for name, _ in self.trained_weights()}:
            message = (
                f"the state `{resume_from_checkpoint}` belongs to another training; remove it to begin the stage again"
            )
            raise ResumeError(message)
        self.model.load_state_dict(weights, strict=False)

    def trained_weights(self) -> list[tuple[str, nn.Parameter]]:
        """The weights that are trained, with their names."""
        return [(name, weight) for name, weight in self.model.named_parameters() if weight.requires_grad]

    @torch.no_grad()
    def held_out_loss(self, data: InOrder, collate: Collator) -> float:
        """Mean loss over the answer tokens of some records, in nats.

        Every process computes all of it, so that no record counts twice, whatever the number of devices.
        """
        total = count = 0.0
        was_training = self.model_wrapped.training
        self.model_wrapped.eval()
        for batch in DataLoader(data, batch_size=self.args.per_device_eval_batch_size, collate_fn=collate):
            inputs = self._prepare_inputs({name: value for name, value in batch.items() if name not in SPANS})
            answers = int(inputs["labels"][:, 1:].ne(IGNORED).sum())
            with self.compute_loss_context_manager():
                loss: Tensor = self.model_wrapped(**inputs, use_cache=False).loss
            total += float(loss) * answers
            count += answers
        self.model_wrapped.train(was_training)
        return total / count


class Resumable(Protocol):
    """Something of a stage that a resumable state has to hold, besides weights and optimiser."""

    def save(self, folder: Path) -> None:
        """Save it with a state."""

    def load(self, folder: Path) -> None:
        """Restore it from a state."""


class Keeper(TrainerCallback):
    """Saves checkpoints and losses of a stage.

    Args:
        plan: plan of the stage.
        losses: the table; None in processes that do not write.
        watch: callbacks for progress.
        measure: computes the held-out loss, or None.
        keep: writes the checkpoint of a step; called in every process.
        parts: what is saved with resumable states.
        clock: measures the speed.
    """

    def __init__(
        self,
        plan: StagePlan,
        losses: LossTable | None,
        watch: Watch,
        measure: Callable[[], float | None],
        keep: Callable[[int], None],
        parts: Sequence[Resumable],
        clock: Clock,
    ) -> None:
        self.plan, self.losses, self.watch, self.measure, self.keep = plan, losses, watch, measure, keep
        self.parts, self.clock = parts, clock

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Log losses when a checkpoint is due; start the clock after the first step, which takes longer.

        The last step has a checkpoint, so it needs no resumable state.
        """
        self.clock.start(state.global_step)
        if state.global_step in self.plan.checkpoints:
            control.should_log = True
        if state.global_step == self.plan.steps:
            control.should_save = False

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **_: Any) -> None:
        """Add a row to the table of losses, then save a checkpoint if it is due."""
        if not logs or "loss" not in logs:
            return
        step, due = state.global_step, state.global_step in self.plan.checkpoints
        if not math.isfinite(logs["loss"]):
            message = f"stage `{self.plan.name}`: the loss is not a number after step {step:,}; lower `learning_rate`"
            raise RecipeError(f"{message}, or compute in another `dtype`; checkpoints up to here are kept")
        held_out = self.measure() if due else None
        if self.losses is not None:
            self.losses.add(self.plan.name, step, logs, held_out)
        if due:
            self.keep(step)
        if speed := self.clock.speed(step):
            self.watch.speed(self.plan.name, speed)
        self.watch.step(self.plan.name, step, self.plan.steps, logs["loss"], self.clock.seconds_left(step))

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Mark a resumable state as complete."""
        if args.should_save:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            for part in self.parts:
                part.save(folder)
            (folder / COMPLETE).touch()


def newest_state(states: Path) -> Path | None:
    """The state from which an interrupted stage continues."""
    whole = [folder for folder in states.glob("checkpoint-*") if (folder / COMPLETE).exists()]
    return max(whole, key=lambda folder: int(folder.name.rpartition("-")[2]), default=None)


def forget_broken(states: Path) -> None:
    """Remove states left half-written by an interruption."""
    for folder in states.glob("checkpoint-*"):
        if not (folder / COMPLETE).exists():
            shutil.rmtree(folder)
