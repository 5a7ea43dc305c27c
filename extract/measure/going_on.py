"""Conditions with another text after a picture that another condition has: they go on where that one has read it.

`vision_only.other.2` is the item's own picture with another question, `neither.other.2` the picture of
`language_only.other.2`. In a family that shares prefixes only their texts are left to compute. Rows stay as they are up
to the text; texts of different lengths are made equally long by padding between the two, which no position looks at.
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
"""Conditions with the inputs of `both` up to the user's text, which vectors replace."""


def goes_on_from(condition: str) -> str | None:
    """The condition that has the same picture and all that precedes the user's text, if it is another one.

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
    """Whether other conditions may go on from this one."""
    return condition == BOTH or (is_swapped(condition) and parse_condition(condition).role == LANGUAGE_ONLY)


def swapped(swaps: Swaps | None, items: Sequence[PlannedItem], condition: str) -> list[PlannedItem]:
    """The items of a batch as they are under a condition that swaps."""
    assert swaps is not None
    return [swaps.of(planned, condition) for planned in items]


def begun_by(swaps: Swaps | None, items: Sequence[PlannedItem], condition: str) -> str | None:
    """`goes_on_from`, if the items of this batch do have the same pictures under both.

    An item's draws differ where a picture and a text do not fit into the model's context together.
    """
    first = goes_on_from(condition)
    if first is None or parse_condition(condition).role != NEITHER:
        return first
    pairs = zip(swapped(swaps, items, condition), swapped(swaps, items, first), strict=True)
    return first if all(one.item.picture_key == other.item.picture_key for one, other in pairs) else None


def with_other_texts(
    adapter: Adapter, batch: Batch, items: Sequence[PlannedItem], changed: Sequence[PlannedItem], reach: int
) -> tuple[ModelInputs, int]:
    """Model inputs of a batch with other texts, as far as possible those that it has.

    Args:
        adapter: the model.
        batch: the items, encoded.
        items: the items of the batch.
        changed: the same with other texts, about the same pictures.
        reach: positions that both may have in common, at most.

    Returns:
        Inputs (batch, tokens); how many of their first positions are those of `batch`.

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
    """Tokens with which both begin, at most as many as precede the item's own text, of which nothing may be left."""
    pairs = enumerate(zip(one[:most], other[:most], strict=False))
    return next((place for place, (mine, theirs) in pairs if mine != theirs), min(most, len(other)))


def _joined(
    adapter: Adapter, name: str, batch: Batch, reach: int, starts: Sequence[int], tails: Sequence[Sequence[int]]
) -> Tensor:
    """A tensor with an entry per token: what all rows keep, padding, the rest of what each keeps, its new text."""
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
