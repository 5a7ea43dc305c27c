"""What an item becomes when another picture or text stands in for its own."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from pid_lvlm.data.contract.schema.conditions import ablated_conditions
from pid_lvlm.data.names import ROLES
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.errors import ModelError, UsageError
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem, make_plan
from pid_lvlm.extract.prompts.swaps import Swaps, plan_swaps
from pid_lvlm.extract.prompts.templates import TEMPLATES

SWAPPING = [condition.name for condition in ablated_conditions(("other", "blank"), draws=3)]
INSTRUCTION = "Answer with the option's letter from the given choices directly."


def planned(adapter: Adapter, dataset: Dataset, template: str = "letters") -> tuple[PlannedItem, ...]:
    return make_plan(adapter, dataset, template, "all").items


def given(items: tuple[PlannedItem, ...], swaps: Swaps) -> list[list[tuple[str, object]]]:
    """Prompt and picture of every item under every condition."""
    return [[(one.prompt, one.item.picture) for one in (swaps.of(item, name) for name in SWAPPING)] for item in items]


@pytest.mark.slow
def test_draws_depend_on_seed_sample_and_condition_alone(adapter: Adapter, dataset: Dataset) -> None:
    items = planned(adapter, dataset)
    first = given(items, Swaps(adapter, items, "letters", "all", 0))
    assert first == given(items, Swaps(adapter, items[::-1], "letters", "all", 0))
    assert first != given(items, Swaps(adapter, items, "letters", "all", 1))
    for draw in (1, 2, 3):  # both sources together are the draws of either
        asked, pictured, both = (SWAPPING.index(f"{role}.other.{draw}") for role in ROLES)
        assert all(row[both] == (row[asked][0], row[pictured][1]) for row in first)
    draws = {tuple(row[SWAPPING.index(f"language_only.other.{draw}")][1] for row in first) for draw in (1, 2, 3)}
    assert len(draws) == 3


def test_what_stands_in_does_not_depend_on_what_it_stands_in_for(adapter: Adapter, dataset: Dataset) -> None:
    items = planned(adapter, dataset)
    swaps = Swaps(adapter, items, "letters", "all", 0)
    item = dataset.items[3].picture, replace(dataset.items[3], picture=dataset.items[1].picture, question="why?")
    changed = planned(adapter, replace(dataset, items=(item[1],)))[0]
    for name in SWAPPING:
        own, other = swaps.of(items[3], name), swaps.of(changed, name)
        if "vision" not in name:
            assert own.item.picture == other.item.picture
        if "language" not in name:
            assert own.prompt == other.prompt
        assert (own.item.id, own.item.letters, own.item.options) == ("item-3", "AB", items[3].item.options)
        kept = {"vision": own.item.picture == items[3].item.picture, "language": own.prompt == items[3].prompt}
        assert all(kept[source] for source in kept if name.startswith(source))


def test_others_are_all_other_items_alike_and_never_the_item(adapter: Adapter, dataset: Dataset) -> None:
    """Of eleven items four have three options; pictures are drawn among all, questions among those with the same."""
    items = planned(adapter, dataset)
    pictures, texts = Counter(), Counter()
    for seed in range(300):
        swaps = Swaps(adapter, items, "letters", "all", seed)
        pictures[swaps.of(items[0], "language_only.other.1").item.picture.name] += 1
        texts[swaps.of(items[1], "vision_only.other.1").text] += 1
    assert pictures["picture-0.png"] < 60  # one of the ten others has the picture of item 0
    assert min(pictures[f"picture-{number}.png"] for number in range(1, 5)) > 30
    alike = {items[number].text for number in (4, 7, 10)}
    assert set(texts) == alike
    assert min(texts.values()) > 0


def test_a_question_with_letters_of_its_own_draws_among_all(adapter: Adapter, dataset: Dataset) -> None:
    alone = replace(dataset, items=dataset.items[:2])  # two and three options
    items = planned(adapter, alone)
    swapped = Swaps(adapter, items, "letters", "all", 0).of(items[0], "vision_only.other.1")
    assert (swapped.text, swapped.prompt, swapped.tokens) == (items[1].text, items[1].prompt, items[1].tokens)
    assert swapped.item.letters == "AB"


@pytest.mark.parametrize(
    ("template", "span", "said"),
    [
        ("letters", "all", INSTRUCTION),
        ("plain", "all", ""),
        ("letters", "question_options", f"look closely\n{INSTRUCTION}"),
        ("vlmeval", "all", "Please select the correct answer from the options above. \n"),
    ],
)
def test_a_blank_question_leaves_the_instruction(
    adapter: Adapter, dataset: Dataset, template: str, span: str, said: str
) -> None:
    items = planned(adapter, dataset, template)
    swapped = Swaps(adapter, items, template, span, 0).of(items[1], "vision_only.blank")
    assert swapped.text == said
    assert swapped.prompt == adapter.render(said, picture=True)
    assert swapped.tokens == len(adapter.tokenize([swapped.prompt])[0])


def test_the_hint_stays_where_it_is_not_part_of_the_source(adapter: Adapter, dataset: Dataset) -> None:
    items = planned(adapter, dataset)
    swapped = Swaps(adapter, items, "letters", "question_options", 0).of(items[1], "vision_only.other.1")
    other = next(
        one for one in items if one.item.id != "item-1" and TEMPLATES["letters"](one.item).core in swapped.text
    )
    expected = TEMPLATES["letters"](replace(other.item, hint=items[1].item.hint))
    assert swapped.text == expected.full


def test_a_blank_picture_is_grey_and_as_large(adapter: Adapter, dataset: Dataset) -> None:
    items = planned(adapter, dataset)
    grey = Swaps(adapter, items, "letters", "all", 0).of(items[0], "language_only.blank").item.image()
    assert grey.size == items[0].item.image().size
    assert set(np.unique(np.array(grey))) == {128}


def test_only_what_fits_into_the_context_stands_in(
    adapter: Adapter, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = planned(adapter, replace(dataset, items=dataset.items[1:8:3]))  # of three options each
    long = [replace(items[1], tokens=600), items[2]]
    monkeypatch.setattr(type(adapter), "context", 512)
    for seed in range(20):
        swaps = Swaps(adapter, (items[0], *long), "letters", "all", seed)
        assert swaps.of(items[0], "vision_only.other.1").text == items[2].text
    with pytest.raises(ModelError, match="item 'item-1': 100 others were too long for the model"):
        Swaps(adapter, (items[0], long[0]), "letters", "all", 0).of(items[0], "vision_only.other.1")


def test_another_item_needs_two(adapter: Adapter, dataset: Dataset) -> None:
    one = dataset.first(1)
    planned = make_plan(adapter, one, "letters", "all").items

    def swaps(condition: str) -> Swaps | None:
        return plan_swaps(adapter, planned, [condition], "letters", "all", 0)

    with pytest.raises(UsageError, match="--ablation other needs at least two items, and the run has one"):
        swaps("neither.other.1")
    assert swaps("vision_only.mean") is None
    assert swaps("neither.blank") is not None
