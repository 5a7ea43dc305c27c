"""Which questions each picture is asked: equal weights, no picture's own question twice, the same for the same seed."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pid_lvlm.data.errors import PidError
from pid_lvlm.extract.config import WITHIN_DATASET, WITHIN_GROUP, Crossing
from pid_lvlm.extract.datasets.crossing import crossed_partners
from pid_lvlm.extract.datasets.item import Dataset, Item


def dataset_of(kinds: list[tuple[int, int, int]]) -> Dataset:
    """Items with a picture, a number of options and a group each."""
    items = tuple(
        Item(f"item-{number}", f"group-{group}", Path(f"{picture}.png"), "which?", tuple("abcdef"[:options]))
        for number, (picture, options, group) in enumerate(kinds)
    )
    return Dataset("toy", "toy.jsonl", "0" * 64, items)


KINDS = st.tuples(st.integers(0, 11), st.integers(2, 4), st.integers(0, 1))


@given(st.lists(KINDS, min_size=2, max_size=40), st.integers(2, 9), st.sampled_from([WITHIN_DATASET, WITHIN_GROUP]))
@settings(max_examples=60, deadline=None)
def test_the_pairs_are_a_design_of_equal_weights(kinds: list[tuple[int, int, int]], pairs: int, within: str) -> None:
    dataset = dataset_of(kinds)
    try:
        partners = crossed_partners(dataset, Crossing(pairs, within), seed=3)
    except PidError as error:
        assert f"--crossed {pairs}: `toy.jsonl` has only" in str(error)  # noqa: PT017
        return
    items = dataset.items
    assert partners.shape == (len(items), pairs)
    np.testing.assert_array_equal(partners[:, 0], np.arange(len(items)))
    for column in partners.T:
        assert sorted(column) == list(range(len(items)))
    for row, asked in enumerate(partners.tolist()):
        assert len(set(asked)) == pairs
        assert {len(items[other].options) for other in asked} == {len(items[row].options)}
        assert not [other for other in asked[1:] if items[other].picture_key == items[row].picture_key]
        if within == WITHIN_GROUP:
            assert {items[other].group for other in asked} == {items[row].group}


def test_a_picture_with_several_questions_is_asked_none_of_its_own_as_another() -> None:
    """Two questions about each picture, four rotations of one: all shifts that are possible are used."""
    dataset = dataset_of([(0, 4, 0)] * 4 + [(1 + number // 2, 4, 0) for number in range(12)])
    partners = crossed_partners(dataset, Crossing(16 - 2 * 4 + 2), seed=0)
    pictures = np.array([0] * 4 + [1 + number // 2 for number in range(12)])
    assert (pictures[partners[:, 1:]] != pictures[:, None]).all()


def test_fewer_questions_are_the_first_of_more_and_the_seed_decides() -> None:
    dataset = dataset_of([(number, 4, 0) for number in range(30)])
    eight = crossed_partners(dataset, Crossing(8), seed=0)
    np.testing.assert_array_equal(crossed_partners(dataset, Crossing(5), seed=0), eight[:, :5])
    assert (crossed_partners(dataset, Crossing(8), seed=1) != eight).any()
    assert crossed_partners(dataset, Crossing(30), seed=0).shape == (30, 30)
    assert eight[0].tolist() == [0, 21, 8, 23, 15, 4, 29, 5]  # on every machine and with every numpy


@pytest.mark.parametrize(
    ("kinds", "crossing", "said"),
    [
        ([(n, 4, 0) for n in range(9)] + [(20 + n, 3, 0) for n in range(3)], Crossing(4),
         "--crossed 4: `toy.jsonl` has only 3 items with 3 options, among which questions can be exchanged; choose "
         "--crossed 3 at most, or leave these items out (`where` in a dataset card)"),
        ([(n, 4, 0) for n in range(9)] + [(20, 2, 0)], Crossing(2),
         "has only 1 item with 2 options, among which questions can be exchanged; leave these items out"),
        ([(0, 4, 0)] * 5 + [(1, 4, 0)] * 2, Crossing(2),
         "has only 7 items with 4 options, up to 5 of them about one picture, among which"),
        ([(n, 4, n % 2) for n in range(9)], Crossing(6, WITHIN_GROUP),
         "has only 4 items with 4 options in group 'group-1', among which questions can be exchanged; choose "
         "--crossed 4 at most, or exchange questions over the dataset (without --crossed-within)"),
        ([(n, 4, 0) for n in range(9)], Crossing(1000), "choose --crossed 9 at most"),
    ],
)  # fmt: skip
def test_too_few_items(kinds: list[tuple[int, int, int]], crossing: Crossing, said: str) -> None:
    with pytest.raises(PidError) as caught:
        crossed_partners(dataset_of(kinds), crossing, seed=0)
    assert said in str(caught.value)
