"""Vision pre-training: the tower learns to tell scenes apart before it meets any language."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

if TYPE_CHECKING:
    from pid_lvlm.data.world import Item
    from pid_lvlm.extract.training.demo.models import Family


def pretrain_vision(
    family: Family,
    model: Any,
    processor: Any,
    items: Sequence[Item],
    steps: int,
    seed: int,
    learning_rate: float = 2e-3,
    batch_size: int = 64,
) -> list[float]:
    """Train a vision tower in place as a classifier of what a picture shows, on the mean of its patch states.

    Args:
        family: The family, which locates the tower.
        model: The model; only its tower changes.
        processor: Its processor.
        items: Items with the pictures and scenes to learn.
        steps: Optimiser steps.
        seed: Seed of the classifier's weights and of the order of pictures.
        learning_rate: Peak of AdamW's learning rate, which decays to zero.
        batch_size: Pictures per step.

    Returns:
        The loss of every step, in nats.
    """
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    scenes = [(item.scene.kind, item.scene.value) for item in items]
    known = {scene: index for index, scene in enumerate(sorted(set(scenes)))}
    labels = torch.tensor([known[scene] for scene in scenes])
    tower = family.vision(model)
    head: torch.nn.Linear | None = None
    losses = []
    optimiser: torch.optim.Optimizer | None = None
    for step in range(steps):
        rows = torch.randint(len(items), (batch_size,), generator=generator)
        pictures = [Image.open(io.BytesIO(items[row].png)).convert("RGB") for row in rows.tolist()]
        states = family.patches(model, processor.image_processor(images=pictures, return_tensors="pt")).mean(1)
        if head is None or optimiser is None:
            head = torch.nn.Linear(states.shape[-1], len(known))
            optimiser = torch.optim.AdamW([*tower, *head.parameters()], lr=learning_rate, weight_decay=0.0)
        optimiser.param_groups[0]["lr"] = learning_rate * (1 - step / steps)
        loss = torch.nn.functional.cross_entropy(head(states), labels[rows])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses
