"""How large the tables of a compiled program are: what a chunk needs, rounded up, so that few programs are compiled.

The number of training steps, of test batches and of fits are inputs of the program, and its loops end there. Larger
tables therefore cost memory but no time, and runs of different length share a program, in one sweep and, through the
compilation cache, from one command to the next.
"""

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from pid_jax.problems.types import Shape
from pid_jax.sweep.memory import conditional_bytes, draw_bytes, feature_bytes
from pid_jax.sweep.protocol import ProblemRef

LEAST_BYTES: Final = 32 * 2**20
"""Size up to which a table is always rounded up: 8,192 rows of two times 512 features, 524,288 rows of conditionals
over 4 options, 128 draws of 128 batches of 256."""

LEAST_STEPS: Final = 128
"""Enough for 5,400 items with the default settings, more than the largest of the paper's benchmarks has."""

LEAST_TEST_BATCHES: Final = 8


class Capacity(NamedTuple):
    """Sizes of the tables of every chunk of a group.

    Attributes:
        features: rows of the feature tables, all runs together.
        conditionals: rows of the tables of conditionals, all runs, layers and taus together.
        draws: slices of the row tables, one per run and seed.
        steps: training steps of a slice.
        test_batches: test batches of a slice.
    """

    features: int
    conditionals: int
    draws: int
    steps: int
    test_batches: int


def needed(problems: Collection[ProblemRef], rows: Mapping[int, int], shape: Shape, num_seeds: int) -> Capacity:
    """The smallest tables that hold some problems of one shape.

    Args:
        problems: the problems.
        rows: number of rows of every run.
        shape: shape of the problems.
        num_seeds: fits per problem.
    """
    features = {(run, key.pooling) for run, key, _ in problems}
    conditionals = {(run, key.rows) for run, key, _ in problems}
    return Capacity(
        features=sum(rows[run] for run, _ in features),
        conditionals=sum(rows[run] for run, _ in conditionals),
        draws=num_seeds * len({problem.run for problem in problems}),
        steps=shape.steps,
        test_batches=shape.test_batches,
    )


def largest(capacities: Collection[Capacity]) -> Capacity:
    """The smallest tables that hold each of several chunks."""
    return Capacity(*map(max, zip(*capacities, strict=True)))


def rounded_up(capacity: Capacity, shape: Shape, budget: int) -> Capacity:
    """Every size rounded up to a power of two, small ones further; unchanged if that exceeds the budget (bytes)."""
    steps = power_of_two(max(capacity.steps, LEAST_STEPS))
    test_batches = power_of_two(max(capacity.test_batches, LEAST_TEST_BATCHES))
    roomy = Capacity(
        features=_roomy(capacity.features, feature_bytes(shape, 1)),
        conditionals=_roomy(capacity.conditionals, conditional_bytes(shape, 1)),
        draws=_roomy(capacity.draws, draw_bytes(shape._replace(steps=steps, test_batches=test_batches))),
        steps=steps,
        test_batches=test_batches,
    )
    return roomy if table_bytes(roomy, shape) <= budget else capacity


def table_bytes(capacity: Capacity, shape: Shape) -> int:
    """Bytes of one chunk's tables."""
    slices = shape._replace(steps=capacity.steps, test_batches=capacity.test_batches)
    return (
        feature_bytes(shape, capacity.features)
        + conditional_bytes(shape, capacity.conditionals)
        + capacity.draws * draw_bytes(slices)
    )


def power_of_two(number: int) -> int:
    """The smallest power of two that is not less.

    Example:
        >>> [power_of_two(number) for number in (1, 2, 3, 64, 65)]
        [1, 2, 4, 64, 128]
    """
    return 1 << (number - 1).bit_length()


def _roomy(count: int, bytes_each: int) -> int:
    """A power of two that is at least the count, and as large as `LEAST_BYTES` allow."""
    return max(power_of_two(count), power_of_two(LEAST_BYTES // bytes_each + 1) // 2)
