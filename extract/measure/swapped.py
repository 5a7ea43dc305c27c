"""Batches of items with a swapped picture or text: prepared along with the items' own, encoded when needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from pid_lvlm.extract.measure.encode import HostBatch, check_lengths, host_inputs
from pid_lvlm.extract.measure.going_on import begins, begun_by, swapped
from pid_lvlm.extract.models.adapters.base import Adapter, ModelInputs
from pid_lvlm.extract.models.misfit import model_code
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem
from pid_lvlm.extract.prompts.swaps import Swaps, is_swapped


@dataclass(frozen=True)
class Prepared:
    """Processor outputs of a batch, on the host.

    Attributes:
        own: outputs for the unchanged items; None if they were encoded before.
        swapped: outputs under each condition with another picture or text, except conditions that continue from
            another.
    """

    own: HostBatch | None
    swapped: Mapping[str, HostBatch] = field(default_factory=dict)


def prepare_swapped(
    adapter: Adapter,
    swaps: Swaps | None,
    conditions: Sequence[str],
    items: Sequence[PlannedItem],
    own: HostBatch | None,
    *,
    share: bool,
) -> Prepared:
    """Do the work on a batch that does not need the device, for every condition that requires it.

    Args:
        adapter: the model.
        swaps: how the items change.
        conditions: the conditions.
        items: the unchanged items.
        own: the outputs for the unchanged items, if needed.
        share: whether conditions with the same picture continue from each other.

    Raises:
        ModelError: as in `host_inputs`.
    """
    made = [] if own is None else [own.inputs]
    found: dict[str, HostBatch] = {}
    for name in filter(is_swapped, conditions):
        if share and begun_by(swaps, items, name) is not None:
            continue
        host = host_inputs(adapter, swapped(swaps, items, name), share and begins(name))
        found[name] = replace(host, inputs=_sharing(host.inputs, made))
        made.append(found[name].inputs)
    return Prepared(own, found)


def _sharing(inputs: ModelInputs, before: Sequence[ModelInputs]) -> ModelInputs:
    """The same inputs, reusing equal tensors of earlier ones: most conditions have pictures in common.

    Batches wait in shared memory, which is scarce, and pictures would fill it.
    """
    return {name: _first_equal(value, [one.get(name) for one in before]) for name, value in inputs.items()}


def _first_equal(value: Any, before: Sequence[Any]) -> Any:
    if isinstance(value, Tensor):
        for one in before:
            if isinstance(one, Tensor) and one.dtype == value.dtype and torch.equal(one, value):
                return one
    return value


def encode_swapped(adapter: Adapter, changed: Sequence[PlannedItem], host: HostBatch | None) -> ModelInputs:
    """Model inputs of a batch under a condition that swaps, with every picture encoded by the vision part.

    Args:
        adapter: the model.
        changed: the items under the condition.
        host: the result of `prepare_swapped` for them, if already computed.

    Raises:
        ModelError: a prompt is too long for the model, or the processor rejects a picture.
    """
    inputs = adapter.to_device((host or host_inputs(adapter, changed, share=False)).inputs)
    with model_code(adapter):
        vision = adapter.visual_mask(inputs)
    check_lengths(adapter, inputs, vision, changed)
    with model_code(adapter):
        return adapter.encode_pictures(inputs)
