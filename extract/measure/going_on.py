"""Conditions that share a picture with another condition but not its text: they continue after that picture.

`vision_only.other.2` has the item's own picture with another question, `neither.other.2` has the picture of
`language_only.other.2`. In a family that shares prefixes only their texts remain to be computed. Rows are unchanged up
to the text; texts are brought to equal length by padding in between, which no position attends to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor

from pid_lvlm.data.contract.schema.conditions import Condition, parse_condition
from pid_lvlm.data.names import BOTH, LANGUAGE_ONLY, MEAN, NEITHER, VISION_ONLY
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.measure.encode import Batch, check_lengths
from pid_lvlm.extract.measure.same_picture import IDS
from pid_lvlm.extract.models.adapters.base import Adapter, ModelInputs
from pid_lvlm.extract.models.misfit import model_code
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem
from pid_lvlm.extract.prompts.swaps import Swaps, is_swapped

REPLACED_TEXT: Final = (VISION_ONLY, Condition(VISION_ONLY, MEAN).name)
"""Conditions with the inputs of `both` up to the user's text, which is replaced by vectors."""


def goes_on_from(condition: str) -> str | None:
    """The other condition with the same picture and everything else before the user's text, if there is one.

    Example:
        >>> goes_on_from("vision_only.other.2"), goes_on_from("neither.other.2")
        ('both', 'language_only.other.2')
    """
    if condition in REPLACED_TEXT:
        return BOTH
    parsed = parse_condition(condition)
    if not is_swapped(condition) or parsed.role == LANGUAGE_ONLY:
        return None
    return BOTH if parsed.role == VISION_ONLY else Condition(LANGUAGE_ONLY, parsed.ablation, parsed.draw).name


def begins(condition: str) -> bool:
    """Whether other conditions may continue from this one."""
    return condition == BOTH or (is_swapped(condition) and parse_condition(condition).role == LANGUAGE_ONLY)


def swapped(swaps: Swaps | None, items: Sequence[PlannedItem], condition: str) -> list[PlannedItem]:
    """The items of a batch as changed by a condition that swaps."""
    assert swaps is not None
    return [swaps.of(planned, condition) for planned in items]


def begun_by(swaps: Swaps | None, items: Sequence[PlannedItem], condition: str) -> str | None:
    """`goes_on_from`, if the items of this batch really have the same pictures under both.

    An item's draws differ if a picture and a text do not fit into the model's context together.
    """
    first = goes_on_from(condition)
    if first is None or parse_condition(condition).role != NEITHER:
        return first
    pairs = zip(swapped(swaps, items, condition), swapped(swaps, items, first), strict=True)
    return first if all(one.item.picture_key == other.item.picture_key for one, other in pairs) else None


def with_other_texts(
    adapter: Adapter, batch: Batch, items: Sequence[PlannedItem], changed: Sequence[PlannedItem], reach: int
) -> tuple[ModelInputs, int]:
    """Model inputs of a batch with other texts, reusing as much of its inputs as possible.

    Args:
        adapter: the model.
        batch: the items, encoded.
        items: the items of the batch.
        changed: the same items with other texts, about the same pictures.
        reach: maximum number of positions that both may share.

    Returns:
        Inputs (batch, tokens), and the number of first positions shared with `batch`.

    Raises:
        ModelError: a prompt is too long for the model, or its picture comes after its text.
    """
    length = batch.inputs[IDS].shape[1]
    tokenised = (adapter.tokenize([planned.prompt for planned in some]) for some in (items, changed))
    starts, tails = [], []
    for planned, own, other in zip(items, *tokenised, strict=True):
        kept = _alike(own, other, planned.span.bounds(len(own))[0])
        starts.append(length - len(own) + kept)
        tails.append(other[kept:])
    reach = min(reach, *starts)
    names = [IDS, *(name for name in adapter.appended if name in batch.inputs)]
    inputs = {**batch.inputs, **{name: _joined(adapter, name, batch, reach, starts, tails) for name in names}}
    with model_code(adapter):
        vision = adapter.visual_mask(inputs)
    if not torch.equal(vision.sum(dim=1), batch.masks.vision.sum(dim=1)):
        message = "a text stands before its picture; the model's adapter must not share prefixes"
        raise ModelError(message)
    check_lengths(adapter, inputs, vision, changed)
    return inputs, reach


def _alike(one: Sequence[int], other: Sequence[int], most: int) -> int:
    """Number of shared first tokens, at most as many as precede the item's own text, none of which may remain."""
    pairs = enumerate(zip(one[:most], other[:most], strict=False))
    return next((place for place, (mine, theirs) in pairs if mine != theirs), min(most, len(other)))


def _joined(
    adapter: Adapter, name: str, batch: Batch, reach: int, starts: Sequence[int], tails: Sequence[Sequence[int]]
) -> Tensor:
    """A tensor with an entry per token: what all rows keep, padding, the rest of what each row keeps, its new text."""
    old: Tensor = batch.inputs[name]
    fill: dict[str, Any] = {"dtype": old.dtype, "device": old.device}
    longest = max(start + len(tail) for start, tail in zip(starts, tails, strict=True))
    rows = []
    for row, start, tail in zip(old, starts, tails, strict=True):
        gap = torch.full((longest - start - len(tail),), _padding(adapter, name), **fill)
        new = tail if name == IDS else [adapter.appended[name]] * len(tail)
        rows.append(torch.cat([row[:reach], gap, row[reach:start], torch.tensor(new, **fill)]))
    return torch.stack(rows)


def _padding(adapter: Adapter, name: str) -> int:
    return adapter.tokenizer.pad_token_id if name == IDS else 0
