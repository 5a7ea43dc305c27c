"""Batches of items whose picture or text was swapped: prepared beside the items' own, encoded when their turn comes."""

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
    """What the processor made of a batch, on the host.

    Attributes:
        own: of the items as they are; None if they were encoded before.
        swapped: of what they are under each condition with another picture or text, but for those that go on from
            another condition.
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
    """What can be done to a batch before it reaches the device, for every condition that needs it.

    Args:
        adapter: the model.
        swaps: what the items become.
        conditions: the conditions.
        items: the items as they are.
        own: what was made of them as they are, if that is needed.
        share: whether conditions with the same picture go on from each other.

    Raises:
        ModelError: as `host_inputs` does.
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
    """The same inputs, with tensors of those before in place of equal ones: most conditions have pictures in common.

    Batches wait in shared memory, which is scarce, and pictures fill it.
    """
    return {name: _first_equal(value, [one.get(name) for one in before]) for name, value in inputs.items()}


def _first_equal(value: Any, before: Sequence[Any]) -> Any:
    if isinstance(value, Tensor):
        for one in before:
            if isinstance(one, Tensor) and one.dtype == value.dtype and torch.equal(one, value):
                return one
    return value


def encode_swapped(adapter: Adapter, changed: Sequence[PlannedItem], host: HostBatch | None) -> ModelInputs:
    """Model inputs of a batch under a condition that swaps, every picture through the vision part.

    Args:
        adapter: the model.
        changed: the items as they are under the condition.
        host: what `prepare_swapped` made of them, if that was done before.

    Raises:
        ModelError: a prompt is too long for the model, or the processor refuses a picture.
    """
    inputs = adapter.to_device((host or host_inputs(adapter, changed, share=False)).inputs)
    with model_code(adapter):
        vision = adapter.visual_mask(inputs)
    check_lengths(adapter, inputs, vision, changed)
    with model_code(adapter):
        return adapter.encode_pictures(inputs)
