"""What is trained: model sizes, stages, and recipes made of them."""

from __future__ import annotations

from dataclasses import dataclass

# The three parts of a LLaVA that a stage may train, by the attribute of `LlavaModel` that holds them. The head
# belongs to the language model.
VISION, PROJECTOR, LANGUAGE = "vision_tower", "multi_modal_projector", "language_model"


@dataclass(frozen=True)
class ModelSize:
    """Shape of a model: CLIP vision tower and Llama language model.

    Attributes:
        name: Name of the size.
        hidden: Width of the language model.
        layers: Layers of the language model.
        heads: Attention heads of the language model.
        intermediate: Width of the language model's feed-forward part.
        vision_hidden: Width of the vision tower.
        vision_layers: Layers of the vision tower.
        vision_heads: Attention heads of the vision tower.
        image_size: Pixels per side of a picture.
        patch_size: Pixels per side of a patch.
        init_std: Standard deviation of the initial weights. The usual 0.02 does not learn the look-up at this size.
    """

    name: str
    hidden: int
    layers: int
    heads: int
    intermediate: int
    vision_hidden: int
    vision_layers: int = 2
    vision_heads: int = 4
    image_size: int = 32
    patch_size: int = 8
    init_std: float = 0.06


@dataclass(frozen=True)
class Stage:
    """One stage of training.

    Attributes:
        name: Name of the stage.
        modules: Parts that are trained; the others stay frozen.
        steps: Optimiser steps.
        learning_rate: Peak of AdamW's learning rate.
        batch_size: Samples per step.
        warmup: Steps of linear increase to the peak.
        decay: Whether the rate then falls linearly to zero; otherwise it stays.
        noise_share: Share of the samples in which one modality, drawn evenly, is replaced by noise.
        no_image_share: Share of the samples that are asked without their picture.
        checkpoints: Steps after which a checkpoint is kept.
    """

    name: str
    modules: tuple[str, ...]
    steps: int
    learning_rate: float
    batch_size: int = 96
    warmup: int = 20
    decay: bool = True
    noise_share: float = 0.0
    no_image_share: float = 0.0
    checkpoints: tuple[int, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """Everything between random weights and the last checkpoint.

    Attributes:
        conversations: Training conversations drawn per task.
        emphasis: How many times as many, with pictures, for some tasks: a table is harder to learn than a rule.
        vision_steps: Steps of vision pre-training as a classifier.
        text: Text pre-training of the language model.
        stages: The two stages of LLaVA, in order.
    """

    conversations: int
    vision_steps: int
    text: Stage
    stages: tuple[Stage, ...]
    emphasis: tuple[tuple[str, int], ...] = ()
