"""The demo's models: two families of real classes, each in two sizes, with random weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import nn

from pid_lvlm.extract.training.demo import llava, qwen2_vl
from pid_lvlm.extract.training.demo.sizes import LABELS, NAMES, SIZES, ModelSize
from pid_lvlm.extract.training.demo.tokenizer import Marks, build_tokenizer


@dataclass(frozen=True)
class Family:
    """A family of models, all sizes of which are made in the same way.

    Attributes:
        label: its name within model names.
        marks: special tokens and chat template.
        config: makes a model's configuration from its size and tokenizer.
        model: class of the model.
        processor: makes the processor from the size and the tokenizer.
        patches: computes the states of a vision tower's patches, before any projector, from the model and a processor's
            outputs; shape (pictures, patches, dimensions).
        vision: the vision tower of a model, without its projector.
    """

    label: str
    marks: Marks
    config: Callable[[ModelSize, Any], Any]
    model: Any
    processor: Callable[[ModelSize, Any], Any]
    patches: Callable[[Any, dict[str, torch.Tensor]], torch.Tensor]
    vision: Callable[[Any], list[nn.Parameter]]


FAMILIES: Final = (
    Family(
        LABELS[0], llava.MARKS, llava.make_config, llava.MODEL, llava.make_processor, llava.patch_states, llava.vision
    ),
    Family(
        LABELS[1],
        qwen2_vl.MARKS,
        qwen2_vl.make_config,
        qwen2_vl.MODEL,
        qwen2_vl.make_processor,
        qwen2_vl.patch_states,
        qwen2_vl.vision,
    ),
)


@dataclass(frozen=True)
class DemoModel:
    """One model of the demo.

    Attributes:
        name: name in tables.
        family: its family.
        size: its shape.
    """

    name: str
    family: Family
    size: ModelSize

    @property
    def folder(self) -> str:
        """Name of its folder among the demo's checkpoints."""
        return self.name.removeprefix("demo-")

    def build(self, texts: list[str], seed: int) -> tuple[Any, Any]:
        """The model in float32 with random weights, and its processor.

        Args:
            texts: all texts that the model will read; their words become tokens.
            seed: seed of the weights.
        """
        tokenizer = build_tokenizer(texts, self.family.marks)
        torch.manual_seed(seed)
        model = self.family.model(self.family.config(self.size, tokenizer)).float().eval()
        return model, self.family.processor(self.size, tokenizer)


_BY_LABEL: Final = {family.label: family for family in FAMILIES}
MODELS: Final = {name: DemoModel(name, _BY_LABEL[label], SIZES[size]) for name, (label, size) in NAMES.items()}
"""The models in the order of tables."""
