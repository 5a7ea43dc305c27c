"""Conditions that give a model another picture or text: those of another item, or blank ones.

Unlike noise, they change the prompt itself, so that the model only gets realistic inputs, in every family alike. The
replacement of a source depends on the seed, the sample, the condition and the run's other items, never on the source
that it replaces, with two exceptions: a blank picture has the size of the item's own, and another question comes from
an item with the same letters, if there is one.
"""

import io
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

import numpy as np
from PIL import Image

from pid_lvlm.data.contract.schema.conditions import Condition, parse_condition
from pid_lvlm.data.names import BLANK, LANGUAGE_ONLY, OTHER, SOURCES, VISION_ONLY
from pid_lvlm.extract.conditions.noise import sample_generator
from pid_lvlm.extract.config import SPAN_ALL
from pid_lvlm.extract.datasets.images import picture_size
from pid_lvlm.extract.datasets.item import Item
from pid_lvlm.extract.errors import ModelError, UsageError
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem
from pid_lvlm.extract.prompts.templates import get_template

SWAPPED: Final = (BLANK, OTHER)

GREY: Final = 128
"""Value of every pixel of a blank picture."""

TRIES: Final = 100
"""Maximum draws to find a picture and a text that fit into the model's context together."""

KEPT_SIZES: Final = 64
"""Number of blank pictures, and of prompts, cached for later items."""


def is_swapped(condition: str) -> bool:
    """Whether a condition gives the model another picture or text."""
    return parse_condition(condition).ablation in SWAPPED


class Swaps:
    """The items of a run under `other` and `blank`.

    Under `neither.other.2` an item has the picture that it has under `language_only.other.2`, and the text that it has
    under `vision_only.other.2`: two independent draws, and pictures that are prepared once for both conditions.

    Args:
        adapter: the model.
        items: the run's items, from which others are drawn; their order does not matter.
        template: name of the prompt template.
        language_span: what counts as source 2; the rest of the user's text stays.
        seed: the run's seed.
    """

    def __init__(
        self, adapter: Adapter, items: Sequence[PlannedItem], template: str, language_span: str, seed: int
    ) -> None:
        self._adapter = adapter
        self._write = get_template(template)
        self._all_text = language_span == SPAN_ALL
        self._seed = seed
        self._items = sorted(items, key=lambda planned: planned.item.id)
        self._with_letters: dict[str, list[PlannedItem]] = {}
        for planned in self._items:
            self._with_letters.setdefault(planned.item.letters, []).append(planned)
        self._rendered = lru_cache(KEPT_SIZES)(self._render)

    def of(self, planned: PlannedItem, condition: str) -> PlannedItem:
        """An item under a condition for which `is_swapped` holds.

        Its prompt, text and picture are those given to the model; its `span` and `text_only_prompt` stay unchanged. Id,
        letters and label are its own, so that the item's own options are scored.

        Raises:
            ModelError: no other item's picture or text fits into the model's context with the part that is kept.
        """
        parsed = parse_condition(condition)
        vision, language = (source in parsed.ablates for source in SOURCES)
        if parsed.ablation == BLANK:
            text = self._text(planned, None) if language else planned.text
            pictured = replace(planned, item=_blank(planned.item)) if vision else planned
            return self._joined(planned, pictured, text, planned)
        pictures, texts = (
            sample_generator(self._seed, planned.item.id, Condition(role, OTHER, parsed.draw).name)
            for role in (LANGUAGE_ONLY, VISION_ONLY)
        )
        for _ in range(TRIES):
            pictured = _drawn(pictures, self._items, planned) if vision else planned
            asked = _drawn(texts, self._alike(planned), planned) if language else planned
            swapped = self._joined(planned, pictured, self._text(planned, asked), asked)
            if self._adapter.context is None or swapped.length <= self._adapter.context:
                return swapped
        message = f"item {planned.item.id!r}: {TRIES} others were too long for the model under `{condition}`"
        raise ModelError(f"{message}; leave --ablation {OTHER} out, or the longest items")

    def _alike(self, planned: PlannedItem) -> Sequence[PlannedItem]:
        """Items with the same letters; all items if only this one has them."""
        alike = self._with_letters.get(planned.item.letters, [])
        return alike if any(one.item.id != planned.item.id for one in alike[:2]) else self._items

    def _text(self, planned: PlannedItem, asked: PlannedItem | None) -> str:
        """The user's text with another item's source in place of the item's own; None for an empty one."""
        if asked is planned:
            return planned.text
        if asked is not None and self._all_text:
            return asked.text
        own = self._write(planned.item)
        before = "" if self._all_text else own.before
        if asked is None:
            return before + own.after.lstrip("\n")
        return before + self._write(asked.item).core + own.after

    def _joined(self, planned: PlannedItem, pictured: PlannedItem, text: str, asked: PlannedItem) -> PlannedItem:
        """An item with another item's picture and a text, which may come from a third."""
        prompt, tokens = (asked.prompt, asked.tokens) if text == asked.text else self._rendered(text)
        item = planned.item.with_picture_of(pictured.item)
        return replace(
            planned, item=item, text=text, prompt=prompt, tokens=tokens, picture_tokens=pictured.picture_tokens
        )

    def _render(self, text: str) -> tuple[str, int]:
        """A prompt and its length before the picture's expansion."""
        prompt = self._adapter.render(text, picture=True)
        return prompt, len(self._adapter.tokenize([prompt])[0])


def plan_swaps(
    adapter: Adapter,
    items: Sequence[PlannedItem],
    conditions: Sequence[str],
    template: str,
    language_span: str,
    seed: int,
) -> Swaps | None:
    """The items of a run under its conditions; None if no condition swaps. See `Swaps`.

    Raises:
        UsageError: a condition needs another item, and there is only one.
    """
    if len(items) == 1 and any(parse_condition(name).ablation == OTHER for name in conditions):
        raise UsageError(f"--ablation {OTHER} needs at least two items, and the run has one; raise --limit")
    return Swaps(adapter, items, template, language_span, seed) if any(map(is_swapped, conditions)) else None


def _drawn(generator: np.random.Generator, pool: Sequence[PlannedItem], planned: PlannedItem) -> PlannedItem:
    """Another item of the pool, which is sorted by id.

    Items with the same picture or text count as others: excluding them would reveal what the item's own is not.
    """
    own = bisect_left(pool, planned.item.id, key=lambda one: one.item.id)
    among = own < len(pool) and pool[own].item.id == planned.item.id
    place = int(generator.integers(len(pool) - among))
    return pool[place + (among and place >= own)]


def _blank(item: Item) -> Item:
    """The item with a grey picture of the same size; unchanged if its picture cannot be opened (reported later)."""
    size = picture_size(item.picture, item.max_pixels)
    return item if size is None else replace(item, picture=_grey(*size), picture_sha256="")


@lru_cache(KEPT_SIZES)
def _grey(height: int, width: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (width, height), GREY).save(file, "PNG", compress_level=1)
    return file.getvalue()
