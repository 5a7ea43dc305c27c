"""The leak test on a real model and real items, for models without an adapter that tests cover."""

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from PIL import Image

from pid_lvlm.data.names import BOTH, CONDITIONS, LANGUAGE_ONLY, VISION_ONLY
from pid_lvlm.extract.datasets.item import Item
from pid_lvlm.extract.measure.measurement import Measurement
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.registry import refused
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem

TRIED: Final = 32
"""Items that are searched for one whose options can be reordered without changing the length of the prompt."""

VISIBLE: Final = 1e-3
"""Nats by which scores must change if a source is visible; otherwise the test would show nothing."""

PlanItems = Callable[[tuple[Item, ...]], tuple[PlannedItem, ...]]


def check_leaks(measurement: Measurement, items: tuple[Item, ...], plan: PlanItems) -> None:
    """Change one source: under the condition that replaces it no score may move, and without replacement scores must.

    Args:
        measurement: how items are measured.
        items: the run's items.
        plan: plans items as the run does.

    Raises:
        ModelError: a replaced source still moves scores, a source never does, or there are no two prompts to compare.
    """
    adapter = measurement.adapter
    model_type = adapter.model.config.model_type
    first, other_text = _pair(adapter, items[:TRIED], plan)
    other_picture = plan((replace(first.item, picture=_noise_picture(first.item)),))[0]
    options = len(first.item.options)
    scores = [
        measurement.batch([planned])["loglik"][0, ..., :options] for planned in (first, other_picture, other_text)
    ]
    for source, condition, changed in (("picture", LANGUAGE_ONLY, scores[1]), ("text", VISION_ONLY, scores[2])):
        moved = {name: float(np.abs(changed - scores[0])[CONDITIONS.index(name)].max()) for name in (BOTH, condition)}
        if moved[condition]:
            shift = f"the {source} still moves scores by {moved[condition]:.2g} once replaced by noise"
            raise refused(model_type, f"fails the leak test: {shift}")
        if moved[BOTH] < VISIBLE:
            raise refused(model_type, f"fails the leak test: another {source} does not change what the model answers")


def _pair(adapter: Adapter, items: tuple[Item, ...], plan: PlanItems) -> tuple[PlannedItem, PlannedItem]:
    """An item, and the same item with its options reordered and a prompt of equal length."""
    for item in items:
        moved = replace(item, options=item.options[1:] + item.options[:1])
        if moved.options == item.options:
            continue
        first, other = plan((item, moved))
        if first.tokens == other.tokens:
            return first, other
    why = f"none of the first {len(items)} items can be reordered without changing its length"
    raise refused(adapter.model.config.model_type, f"cannot be tested for leaks: {why}")


def _noise_picture(item: Item) -> bytes:
    width, height = item.image().size
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
