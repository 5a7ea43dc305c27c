"""The items used in a receipt, and what they are compared with: another picture, another text."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from PIL import Image

from pid_lvlm.extract.datasets.item import Item
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.prompts.picture_tokens import expected_picture_tokens
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem

TRIED: Final = 32
"""Number of first items from which these are chosen."""

CHOSEN: Final = 3
"""Number of items in a receipt."""

PlanItems = Callable[[tuple[Item, ...]], tuple[PlannedItem, ...]]
"""Plans items like the run."""


@dataclass(frozen=True)
class Chosen:
    """The items used in a receipt.

    Attributes:
        items: at most `CHOSEN` of the first items. The first is compared with the two variants below; in a batch of all
            it is padded most. The second is the longest.
        other_picture: the first item with another picture of the same size.
        other_text: the first item with another text in a prompt of equal length, or None.
        no_text: why it is None.
    """

    items: tuple[PlannedItem, ...]
    other_picture: PlannedItem
    other_text: PlannedItem | None
    no_text: str = ""


def choose_items(adapter: Adapter, items: Sequence[PlannedItem], plan: PlanItems) -> Chosen:
    """Choose among the first items.

    Args:
        adapter: the model.
        items: the run's items.
        plan: plans items like the run.
    """
    head = _by_length(adapter, items[:TRIED])
    first, other_text = _comparable_pair(head, plan) or (head[0], None)
    chosen = {planned.item.id: planned for planned in (first, head[-1], *head)}
    other_picture = replace(first, item=replace(first.item, picture=_noise_picture(first.item), picture_sha256=""))
    why = "" if other_text else f"none of the first {len(head)} items can be given another text of equal length"
    return Chosen(tuple(chosen.values())[:CHOSEN], other_picture, other_text, why)


def _by_length(adapter: Adapter, items: Sequence[PlannedItem]) -> list[PlannedItem]:
    """Sort shortest first, counting picture tokens as far as they can be predicted."""
    pictures = expected_picture_tokens(adapter, [planned.item for planned in items])
    lengths = {planned.item.id: planned.tokens + tokens for planned, tokens in zip(items, pictures, strict=True)}
    return sorted(items, key=lambda planned: lengths[planned.item.id])


def _comparable_pair(items: Sequence[PlannedItem], plan: PlanItems) -> tuple[PlannedItem, PlannedItem] | None:
    """An item, and a variant with another item's text or its own options reordered, in prompts of equal length."""
    for first in items:
        item = first.item
        texts = [one.item for one in items if _comparable(first, one)][:1]
        reordered = replace(item, options=item.options[1:] + item.options[:1])
        for text in (*texts, reordered):
            other = plan((replace(text, id=item.id, picture=item.picture, picture_sha256=item.picture_sha256),))[0]
            if _comparable(first, other):
                return first, other
    return None


def _comparable(one: PlannedItem, other: PlannedItem) -> bool:
    same_form = one.tokens == other.tokens and len(one.span.ids) == len(other.span.ids)
    return same_form and one.item.letters == other.item.letters and one.prompt != other.prompt


def _noise_picture(item: Item) -> bytes:
    width, height = item.image().size
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "BMP")  # noise does not compress, and trying takes seconds
    return file.getvalue()
