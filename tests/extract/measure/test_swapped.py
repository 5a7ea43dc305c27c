"""Batches prepared for conditions with another picture or text hold every picture once."""

from dataclasses import replace

import pytest
import torch

from pid_lvlm.data.contract.schema.conditions import ablated_conditions
from pid_lvlm.extract.conditions.prefix import common_length
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.measure.encode import encode_batch, host_inputs
from pid_lvlm.extract.measure.going_on import begun_by, with_other_texts
from pid_lvlm.extract.measure.swapped import prepare_swapped
from pid_lvlm.extract.models.adapters.base import PIXELS, Adapter
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem, make_plan
from pid_lvlm.extract.prompts.swaps import Swaps


def test_equal_pictures_are_held_once(adapter: Adapter, dataset: Dataset) -> None:
    items = make_plan(adapter, dataset, "letters", "all").items
    swaps = Swaps(adapter, items, "letters", "all", 0)
    names = ("both", "vision_only.other.1", "language_only.other.1", "neither.other.1", "vision_only.blank")
    own = host_inputs(adapter, items[:3], share=False)
    batch = prepare_swapped(adapter, swaps, names, items[:3], own, share=False)
    assert set(batch.swapped) == set(names[1:])
    for name, host in batch.swapped.items():
        alone = host_inputs(adapter, [swaps.of(planned, name) for planned in items[:3]], share=False).inputs
        assert set(host.inputs) == set(alone)
        assert all(torch.equal(host.inputs[key], alone[key]) for key in alone)
    pictures = {name: host.inputs[PIXELS] for name, host in batch.swapped.items()}
    assert pictures["vision_only.other.1"] is pictures["vision_only.blank"] is own.inputs[PIXELS]
    assert pictures["neither.other.1"] is pictures["language_only.other.1"] is not own.inputs[PIXELS]


def test_pictures_that_another_condition_has_are_not_prepared(adapter: Adapter, dataset: Dataset) -> None:
    items = make_plan(adapter, dataset, "letters", "all").items
    swaps = Swaps(adapter, items, "letters", "all", 0)
    names = [condition.name for condition in ablated_conditions(("other", "blank"), draws=2)]
    batch = prepare_swapped(adapter, swaps, names, items[:3], None, share=True)
    assert list(batch.swapped) == ["language_only.other.1", "language_only.other.2", "language_only.blank"]


def test_a_text_that_begins_like_the_own_one_reuses_none_of_it(adapter: Adapter, dataset: Dataset) -> None:
    """Of two prompts that agree up to their last letters, only what precedes the text is shared: nothing leaks."""
    items = make_plan(adapter, dataset, "letters", "all").items[:2]
    with torch.inference_mode():
        batch = encode_batch(adapter, items)
        inputs, reach = with_other_texts(adapter, batch, items, items, common_length(batch.masks))
    assert reach == common_length(batch.masks)
    assert torch.equal(inputs["input_ids"], batch.inputs["input_ids"])


def test_draws_with_different_pictures_do_not_share(adapter: Adapter, dataset: Dataset) -> None:
    items = make_plan(adapter, dataset, "letters", "all").items
    swaps = Swaps(adapter, items, "letters", "all", 0)
    assert begun_by(swaps, items[:3], "neither.other.1") == "language_only.other.1"
    right = swaps.of

    def another(planned: PlannedItem, condition: str) -> PlannedItem:
        found = right(planned, condition)
        if planned is not items[0] or condition != "neither.other.1":
            return found
        return replace(found, item=found.item.with_picture_of(right(planned, "language_only.blank").item))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(swaps, "of", another)
        assert begun_by(swaps, items[:3], "neither.other.1") is None
        assert begun_by(swaps, items[1:3], "neither.other.1") == "language_only.other.1"
        batch = prepare_swapped(adapter, swaps, ["neither.other.1"], items[:3], None, share=True)
        assert list(batch.swapped) == ["neither.other.1"]
