"""Vision pre-training: the tower learns to tell scenes apart before it meets any language."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import CLIPVisionModel

from pid_lvlm.extract.training.train_stage import Report


def pretrain_vision(
    tower: CLIPVisionModel,
    pixels: Tensor,
    labels: Tensor,
    steps: int,
    seed: int,
    learning_rate: float = 2e-3,
    batch_size: int = 64,
    report: Report = lambda step, loss: None,
) -> None:
    """Train a vision tower in place, as a classifier on the mean of its patches.

    Args:
        tower: A CLIP vision tower.
        pixels: Pictures of shape (pictures, 3, height, width).
        labels: Class of each picture, shape (pictures,).
        steps: Optimiser steps.
        seed: Seed of the classifier's weights and of the order of pictures.
        learning_rate: Peak of AdamW's learning rate, which decays to zero.
        batch_size: Pictures per step.
        report: Called with the step and its loss after every step.
    """
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    head = torch.nn.Linear(tower.config.hidden_size, int(labels.max()) + 1)
    tower.requires_grad_(True).train()
    weights = [*tower.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=learning_rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / steps)
    for step in range(1, steps + 1):
        rows = torch.randint(len(labels), (batch_size,), generator=generator)
        patches = tower(pixels[rows]).last_hidden_state[:, 1:]
        loss = torch.nn.functional.cross_entropy(head(patches.mean(1)), labels[rows])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        report(step, loss.item())
    tower.eval()
