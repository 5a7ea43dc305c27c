"""Which spans modality dropout replaces, and when: as evenly as a sorted file allows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pid_lvlm.extract.training.two_stage.records.dropped import DROP_PICTURE, DROP_TEXT, NOT_DROPPED, dropped_spans
from pid_lvlm.extract.training.two_stage.records.order import training_order

RECORDS, BATCH, PASSES = 3000, 24, 4
STEPS = PASSES * RECORDS // BATCH
ALL = np.ones(RECORDS, bool)


def make_order(seed, *, grouped=False):
    return training_order(np.arange(RECORDS), ALL, BATCH, STEPS, seed, grouped=grouped, systematic=True)


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 2**31),
    st.floats(0, 1),
    st.tuples(st.integers(0, RECORDS), st.integers(0, RECORDS)).map(sorted),
    st.tuples(st.integers(0, STEPS), st.integers(0, STEPS)).map(sorted),
)
def test_any_run_of_records_and_steps_has_its_share_of_each_span(seed, share, records, steps):
    order = make_order(seed)
    spans = dropped_spans(order, ALL, share, seed)
    within = slice(BATCH * steps[0], BATCH * steps[1])
    inside = (order[within] >= records[0]) & (order[within] < records[1])
    size = (steps[1] - steps[0]) * BATCH * (records[1] - records[0]) / RECORDS
    for span, expected in ((DROP_PICTURE, share / 2), (DROP_TEXT, share / 2), (NOT_DROPPED, 1 - share)):
        assert abs((inside & (spans[within] == span)).sum() - expected * size) < 20  # a sample: up to 200


def test_a_grouped_order_has_the_same_share_of_any_run_of_records_in_a_pass():
    order = make_order(3, grouped=True)
    spans = dropped_spans(order, ALL, 0.5, 3)
    for part in (order < 500, order >= 2800):
        assert (part & (spans == DROP_TEXT)).sum() == pytest.approx(part.sum() / 4, abs=8)


def test_a_record_does_not_have_the_same_span_in_every_pass():
    order = make_order(5)
    spans = dropped_spans(order, ALL, 0.5, 5).reshape(PASSES, -1)
    by_record = np.stack([row[np.argsort(at)] for row, at in zip(spans, order.reshape(PASSES, -1), strict=True)])
    assert (by_record != by_record[0]).any(0).mean() > 0.7


def test_records_without_a_picture_keep_everything():
    pictured, order = np.random.default_rng(0).random(RECORDS) < 0.5, make_order(5)
    spans = dropped_spans(order, pictured, 0.8, 5)
    assert (spans[~pictured[order]] == NOT_DROPPED).all()
    assert (spans[pictured[order]] == DROP_PICTURE).mean() == pytest.approx(0.4, abs=0.02)


def test_the_seed_decides_and_the_extremes_are_exact():
    order, pictured = np.arange(50).repeat(2), np.ones(50, bool)
    one, other = (dropped_spans(order, pictured, 0.5, seed) for seed in (1, 2))
    assert (one != other).any()
    np.testing.assert_array_equal(one, dropped_spans(order, pictured, 0.5, 1))
    assert (dropped_spans(order, pictured, 0.0, 1) == NOT_DROPPED).all()
    assert (dropped_spans(order, pictured, 1.0, 1) != NOT_DROPPED).all()
    assert len(dropped_spans(order[:0], pictured, 0.5, 1)) == 0


def test_records_seen_with_one_source_have_the_frequencies_of_a_sorted_file():
    """A sample of 900 would be off by up to 40 records of a kind."""
    kinds = np.sort(np.random.default_rng(0).choice(5, RECORDS, p=[0.4, 0.3, 0.15, 0.1, 0.05]))
    order = make_order(3)[: 150 * BATCH]
    seen = kinds[order[dropped_spans(order, ALL, 0.5, 3) == DROP_PICTURE]]
    expected = np.bincount(kinds) / RECORDS * len(order) / 4
    assert np.abs(np.bincount(seen) - expected).max() < 8
