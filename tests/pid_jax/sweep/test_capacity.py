"""Tables rounded up: never too small, within the budget, and the same for runs of similar size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pid_jax.problems.types import ProblemKey, Shape
from pid_jax.sweep.capacity import LEAST_BYTES, Capacity, largest, needed, power_of_two, rounded_up, table_bytes
from pid_jax.sweep.protocol import ProblemRef

SHAPES = st.builds(
    Shape,
    d1=st.integers(1, 9000),
    d2=st.integers(1, 9000),
    options=st.integers(2, 30),
    steps=st.integers(1, 3000),
    batch=st.integers(2, 600),
    test_batches=st.integers(1, 90),
)
ROWS = {0: 100, 1: 130}


def capacity_of(shape, features, conditionals, draws):
    return Capacity(features, conditionals, draws, shape.steps, shape.test_batches)


@given(SHAPES, st.integers(1, 200_000), st.integers(1, 400_000), st.integers(1, 300), st.integers(1, 40))
def test_never_too_small_and_never_over_the_budget(shape, features, conditionals, draws, power):
    least, budget = capacity_of(shape, features, conditionals, draws), 2**power
    roomy = rounded_up(least, shape, budget)
    assert all(room >= size for room, size in zip(roomy, least, strict=True))
    assert roomy == least or table_bytes(roomy, shape) <= budget
    if roomy != least:
        assert all(room & (room - 1) == 0 for room in roomy)


@given(SHAPES, st.integers(1, 200_000), st.integers(1, 400_000), st.integers(1, 300))
def test_less_than_twice_what_is_needed_or_small(shape, features, conditionals, draws):
    roomy = rounded_up(capacity_of(shape, features, conditionals, draws), shape, 2**60)
    row = 4 * (shape.d1 + shape.d2)
    assert roomy.features < 2 * features or roomy.features * row <= LEAST_BYTES
    assert roomy.conditionals < 2 * conditionals or roomy.conditionals * 12 * shape.options <= LEAST_BYTES


def test_the_papers_benchmarks_need_the_same_tables():
    """With two times 512 features."""
    found = set()
    for rows in (300, 1500, 2000, 2150, 3000, 4329):
        steps, test_batches = 8 * (3 * rows // 4 // 256), -(-(rows - 3 * rows // 4) // 256)
        shape = Shape(512, 512, 4, max(steps, 1), 256, test_batches)
        found.add(rounded_up(capacity_of(shape, rows, rows, 5), shape, 10**9))
    assert len(found) == 1


def test_a_chunk_needs_each_slice_once():
    shape = Shape(6, 6, 4, 20, 32, 3)
    keys = [ProblemKey(layer, 0.3, pooling) for layer in (1, 2) for pooling in ("mean", "last")]
    problems = [ProblemRef(run, key, f"{run}{key}") for run in (0, 1) for key in keys]
    found = needed(problems, ROWS, shape, num_seeds=5)
    assert found == Capacity(features=2 * 230, conditionals=2 * 230, draws=10, steps=20, test_batches=3)
    one = needed(problems[:1], ROWS, shape, num_seeds=5)
    assert one == Capacity(100, 100, 5, 20, 3)
    assert largest([one, found._replace(conditionals=1)]) == found._replace(conditionals=100)


@pytest.mark.parametrize("number", [1, 2, 3, 255, 256, 257, 2**40 + 1])
def test_powers_of_two(number):
    found = power_of_two(number)
    assert found >= number
    assert found < 2 * number or number == 1
    assert found & (found - 1) == 0
