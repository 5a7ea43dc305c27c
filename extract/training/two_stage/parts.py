"""The parts of a vision-language model, and which of its weights a stage trains."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import nn

from pid_lvlm.data.command.suggest import suggestion
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.training.two_stage.errors import RecipeError
from pid_lvlm.extract.training.two_stage.recipe import LANGUAGE, PROJECTOR, VISION, Lora

PARTS: Final = (VISION, PROJECTOR, LANGUAGE)


def projector_of(adapter: Adapter) -> nn.Module:
    """The module between vision tower and decoder.

    Raises:
        RecipeError: the family has none, or its adapter does not name it.
    """
    found: Any = adapter.model.base_model
    for name in adapter.projector.split("."):
        found = getattr(found, name, None)
    if not isinstance(found, nn.Module):
        message = (
            f"models of the family {adapter.family} have no projector `{adapter.projector}`; "
            "set `projector` in its adapter (docs/training.md)"
        )
        raise RecipeError(message)
    return found


def parameters_of(adapter: Adapter, part: str) -> list[nn.Parameter]:
    """Weights of one part; every weight belongs to exactly one.

    Args:
        adapter: the model.
        part: `vision`, `projector`, or `language`: decoder, embeddings and head.
    """
    model = adapter.model
    language = [adapter.decoder, model.get_input_embeddings(), model.get_output_embeddings()]
    by_part = {
        PROJECTOR: _unique([projector_of(adapter)]),
        LANGUAGE: _unique([module for module in language if module is not None]),
    }
    if part != VISION:
        return by_part[part]
    others = {id(weight) for weights in by_part.values() for weight in weights}
    return [weight for weight in model.parameters() if id(weight) not in others]


def _unique(modules: Sequence[nn.Module]) -> list[nn.Parameter]:
    weights = {id(weight): weight for module in modules for weight in module.parameters()}
    return list(weights.values())


def select_parts(adapter: Adapter, parts: Sequence[str], lora: Lora | None = None) -> Any:
    """Freeze a model except for some of its parts.

    Args:
        adapter: the model, changed in place.
        parts: the parts to train.
        lora: low-rank changes to train in place of the language model's weights.

    Returns:
        The model to train: the adapter's own, or one of the `peft` library around it.
    """
    model = adapter.model
    model.requires_grad_(False)
    for part in parts:
        weights = parameters_of(adapter, part)
        if not weights:
            raise RecipeError(f"the model has no part `{part}`; {suggestion(part, PARTS)}")
        for weight in weights:
            weight.requires_grad_(part != LANGUAGE or lora is None)
    return model if lora is None else _with_lora(adapter, PROJECTOR in parts, lora)


def _with_lora(adapter: Adapter, projector: bool, lora: Lora) -> Any:
    try:
        from peft import LoraConfig, get_peft_model  # noqa: PLC0415
    except ImportError:
        from pid_lvlm.data.command.extras import install_advice  # noqa: PLC0415

        raise RecipeError(
            f"`lora` needs the `peft` library, which is not installed; {install_advice('train')}"
        ) from None
    model, decoder = adapter.model, adapter.decoder
    names = {id(module): name for name, module in model.named_modules()}
    targets = [names[id(module)] for module in decoder.modules() if isinstance(module, nn.Linear)]
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=targets,
        modules_to_save=[names[id(projector_of(adapter))]] if projector else None,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings about names that transformers is dropping
        return get_peft_model(model, config)


def trained_count(model: nn.Module) -> int:
    """Number of parameters that a stage trains."""
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)


def frozen_in(model: nn.Module, dtype: torch.dtype) -> None:
    """Convert weights that are not trained to another dtype; trained ones stay in float32."""
    for weight in model.parameters():
        if not weight.requires_grad and weight.is_floating_point():
            weight.data = weight.data.to(dtype)
