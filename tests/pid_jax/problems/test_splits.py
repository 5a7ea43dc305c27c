"""Splits and batches: every row on one side, groups whole, epochs without replacement."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pid_jax.problems.splits import evaluation_batches, make_layout, split_rows, train_batches

SEEDS = st.integers(0, 1000)


@given(st.integers(2, 300), SEEDS)
@settings(deadline=None)
def test_random_split_is_a_partition_three_to_one(n, seed):
    train, test = split_rows(None, n, seed, 0.75)
    assert len(train) == int(0.75 * n)
    assert sorted([*train, *test]) == list(range(n))


@given(st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=80), SEEDS)
@settings(deadline=None)
def test_groups_stay_whole(names, seed):
    groups = np.array(names)
    train, test = split_rows(groups, len(groups), seed, 0.75)
    assert sorted([*train, *test]) == list(range(len(groups)))
    assert not set(groups[train]) & set(groups[test])
    assert len(train) <= 0.75 * len(groups)


@given(st.integers(8, 60), SEEDS, st.integers(1, 4))
@settings(deadline=None)
def test_every_epoch_draws_without_replacement(n, seed, epochs):
    rows = np.arange(100, 100 + n)
    batches = train_batches(rows, seed, epochs, 8)
    per_epoch = n // 8
    assert batches.shape == (epochs * per_epoch, 8)
    for epoch in batches.reshape(epochs, -1):
        assert len(set(epoch)) == len(epoch)
        assert set(epoch) <= set(rows)


@given(st.integers(1, 100), st.integers(2, 30))
@settings(deadline=None)
def test_default_uses_every_test_row_once_in_even_batches(n, batch):
    rows = np.arange(n) + 7
    result = evaluation_batches(rows, batch, drop_incomplete=False)
    assert sorted(result.rows[result.mask]) == rows.tolist()
    sizes = result.mask.sum(axis=1)
    assert sizes.max() <= batch
    assert sizes.max() - sizes.min() <= 1
    assert result.rows.shape[1] == batch


def test_published_test_batches_drop_the_rest():
    result = evaluation_batches(np.arange(300), 128, drop_incomplete=True)
    np.testing.assert_array_equal(result.rows.ravel(), np.arange(256))
    assert result.mask.all()


@pytest.mark.parametrize(
    ("rows", "sizes", "batches", "dropped"),
    [
        (4329, (3246, 1083), (12, 4), 59),  # MMBench, every rotation
        (3000, (2250, 750), (8, 2), 238),  # POPE, one setting
        (2150, (1612, 538), (6, 2), 26),  # Reefknot, perception
        (2000, (1500, 500), (5, 1), 244),  # PMC-VQA, test_clean
    ],
)
def test_the_papers_splits_and_batches(rows, sizes, batches, dropped):
    """The paper's table 1, and what the published loaders of 256 rows leave out of the test part."""
    train, test = split_rows(None, rows, 42, 0.75)
    layout = make_layout([(len(train), len(test))], 256, drop_incomplete=True)
    assert (len(train), len(test)) == sizes
    assert layout == batches
    assert len(test) - layout.test_batches * 256 == dropped


@given(SEEDS)
@settings(deadline=None, max_examples=10)
def test_popes_pictures_split_exactly(seed):
    """Six questions each about 500 pictures: 375 and 125 of them."""
    pictures = np.repeat(np.arange(500).astype(str), 6)
    train, test = split_rows(pictures, 3000, seed, 0.75)
    assert (len(train), len(test)) == (2250, 750)
    assert (len(set(pictures[train])), len(set(pictures[test]))) == (375, 125)


def test_seeds_differ_and_repeat():
    assert not np.array_equal(split_rows(None, 50, 0, 0.75)[0], split_rows(None, 50, 1, 0.75)[0])
    np.testing.assert_array_equal(train_batches(np.arange(50), 3, 2, 8), train_batches(np.arange(50), 3, 2, 8))


@given(st.lists(st.integers(8, 90), min_size=1, max_size=5), SEEDS)
@settings(deadline=None)
def test_seeds_whose_parts_differ_in_size_share_one_layout(sizes, seed):
    """As splits by groups give them: equal shapes for all, every test row still used once."""
    batch = 8
    layout = make_layout([(2 * size, size) for size in sizes], batch, drop_incomplete=False)
    assume(min(sizes) >= 2 * layout.test_batches)  # a plan refuses less
    for size in sizes:
        rows = np.arange(size)
        assert train_batches(np.arange(2 * size), seed, 2, batch, layout.per_epoch).shape == (
            2 * layout.per_epoch,
            batch,
        )
        test = evaluation_batches(rows, batch, False, layout)
        assert test.rows.shape == (layout.test_batches, batch)
        assert sorted(test.rows[test.mask]) == rows.tolist()
        whole = make_layout([(2 * size, size) for size in sizes], batch, drop_incomplete=True)
        assert evaluation_batches(rows, batch, True, whole).rows.shape == (min(sizes) // batch, batch)
