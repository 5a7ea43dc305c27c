"""Batches prepared for conditions with another picture or text hold every picture once."""

import torch

from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.measure.encode import host_inputs
from pid_lvlm.extract.measure.swapped import prepare_swapped
from pid_lvlm.extract.models.adapters.base import PIXELS, Adapter
from pid_lvlm.extract.prompts.prompt_plan import make_plan
from pid_lvlm.extract.prompts.swaps import Swaps


def test_equal_pictures_are_held_once(adapter: Adapter, dataset: Dataset) -> None:
    items = make_plan(adapter, dataset, "letters", "all").items
    swaps = Swaps(adapter, items, "letters", "all", 0)
    names = ("both", "vision_only.other.1", "language_only.other.1", "neither.other.1", "vision_only.blank")
    own = host_inputs(adapter, items[:3], share=False)
    batch = prepare_swapped(adapter, swaps, names, items[:3], own)
    assert set(batch.swapped) == set(names[1:])
    for name, inputs in batch.swapped.items():
        alone = host_inputs(adapter, [swaps.of(planned, name) for planned in items[:3]], share=False).inputs
        assert set(inputs) == set(alone)
        assert all(torch.equal(inputs[key], alone[key]) for key in alone)
    pictures = {name: inputs[PIXELS] for name, inputs in batch.swapped.items()}
    assert pictures["vision_only.other.1"] is pictures["vision_only.blank"] is own.inputs[PIXELS]
    assert pictures["neither.other.1"] is pictures["language_only.other.1"] is not own.inputs[PIXELS]
