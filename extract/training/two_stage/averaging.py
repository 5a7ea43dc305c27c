"""Averages the trained weights over the last steps of a stage, whose last checkpoint then holds the mean.

The weights after a step are off by what the last few batches happened to contain. The mean over a whole pass, in which
every record has counted once, is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel
from transformers import TrainerCallback

from pid_lvlm.extract.training.two_stage.errors import RecipeError

FILE: Final = "average.pt"


class WeightAverage(TrainerCallback):
    """Mean of the weights after each of the last steps of a stage (stochastic weight averaging, Izmailov et al. 2018).

    Args:
        weights: the weights that are trained.
        begin: the step after which averaging begins.
    """

    def __init__(self, weights: Sequence[nn.Parameter], begin: int) -> None:
        self._weights, self._begin = nn.ParameterList(weights), begin
        self._mean = AveragedModel(self._weights)

    @torch.no_grad()
    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Add the weights after this step."""
        if state.global_step > self._begin:
            self._mean.update_parameters(self._weights)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the mean, once there is one, in the place of the weights for a while."""
        if not self._mean.n_averaged:
            yield
            return
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        """Exchange the memory of the weights and the mean, without a copy of either."""
        for weight, mean in zip(self._weights, self._mean.module.parameters(), strict=True):
            weight.data, mean.data = mean.data, weight.data

    def save(self, folder: Path) -> None:
        """Save the mean with a state from which a training can continue."""
        torch.save(self._mean.state_dict(), folder / FILE)

    def load(self, folder: Path) -> None:
        """Restore a saved mean."""
        self._mean.load_state_dict(torch.load(folder / FILE, weights_only=True))


def averaging(trainer: Any, stage: str, begin: int | None) -> WeightAverage | None:
    """The mean of the weights that a trainer trains, brought up to date after each of its steps.

    Args:
        trainer: a `StageTrainer`.
        stage: name of the stage.
        begin: the step after which averaging begins; None for no mean.

    Raises:
        RecipeError: the weights are divided among processes.
    """
    if begin is None:
        return None
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        message = f"stage `{stage}`: `averaged_epochs` needs all weights in every process, but FSDP and DeepSpeed"
        raise RecipeError(f"{message} divide them; train without them, or leave it out")
    average = WeightAverage([weight for _, weight in trainer.trained_weights()], begin)
    trainer.add_callback(average)
    return average
