"""Solve many problems of any shapes: on the host by penalty continuation, on an accelerator in stacks."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import jax
import numpy as np
from jaxtyping import Float

from pid_jax.estimators.exact.penalty.bounds import joint
from pid_jax.estimators.exact.penalty.continuation import solve_continuation
from pid_jax.estimators.exact.penalty.host import Optimum, Problem, solve_on_host, solve_side_by_side
from pid_jax.estimators.exact.rows import pad_rows, padded_size
from pid_jax.estimators.exact.solver.stacks import bytes_per_problem, solve_stack

LARGE: Final = 10_000_000
"""Problems with more pairs than this are solved alone, so memory holds one such problem at a time."""

MOST_STACKED: Final = 6_250_000
"""An accelerator solves problems with up to this many pairs; larger ones are solved on the host with a list of
pairs."""

MEMORY_BUDGET: Final = 2 * 10**9
"""Default bytes per stack."""


def solve_many(
    problems: Sequence[Problem],
    tol_bits: float,
    *,
    devices: int = 1,
    memory_budget: int = MEMORY_BUDGET,
    advance: Callable[[int], Any] | None = None,
) -> list[Optimum]:
    """Solve problems of any shapes.

    Args:
        problems: joint masses of source 1 and the label, and of source 2 and the label, float64, with equal column
            sums.
        tol_bits: maximum width of the certified intervals, bits.
        devices: on a CPU, number of problems solved at a time.
        memory_budget: bytes per stack on an accelerator.
        advance: called with the number of problems that have just been solved.
    """
    found: dict[int, Optimum] = {}
    for numbers, optima in _solved(problems, tol_bits, devices, memory_budget):
        found.update(zip(numbers, optima, strict=True))
        if advance is not None:
            advance(len(numbers))
    return [found[number] for number in range(len(problems))]


def primal_point(problem: Problem, tol_bits: float) -> Float[np.ndarray, "n1 n2 k"] | None:
    """The coupling of the upper bound, for checks on small problems; None if the bound needs none.

    Args:
        problem: joint masses of both sources with the label; no row is 0.
        tol_bits: see `solve_many`.
    """
    primal = solve_continuation(*problem, tol_bits).primal
    return None if primal is None else joint(problem, primal)


def _solved(
    problems: Sequence[Problem], tol_bits: float, devices: int, memory_budget: int
) -> Iterator[tuple[list[int], list[Optimum]]]:
    pairs = [len(first) * len(second) for first, second in problems]
    order = sorted(range(len(problems)), key=lambda number: -pairs[number])
    if jax.default_backend() != "cpu":
        stacked = [number for number in order if pairs[number] <= MOST_STACKED]
        for numbers in _stacks(problems, stacked, memory_budget):
            yield numbers, _solve_padded([problems[number] for number in numbers], tol_bits)
        order = [number for number in order if pairs[number] > MOST_STACKED]
    for number in (number for number in order if pairs[number] > LARGE):
        yield [number], [solve_on_host(problems[number], tol_bits)]
    rest = [number for number in order if pairs[number] <= LARGE]
    optima = solve_side_by_side([problems[number] for number in rest], tol_bits, devices)
    for number, optimum in zip(rest, optima, strict=True):
        yield [number], [optimum]


def _stacks(problems: Sequence[Problem], numbers: Sequence[int], memory_budget: int) -> Iterator[list[int]]:
    """Solve problems of one padded shape, as many at a time as fit into memory."""
    groups: dict[tuple[int, int, int], list[int]] = {}
    for number in numbers:
        first, second = problems[number]
        groups.setdefault((padded_size(len(first)), padded_size(len(second)), first.shape[1]), []).append(number)
    for shape, group in groups.items():
        size = max(1, memory_budget // bytes_per_problem(*shape))
        yield from (group[start : start + size] for start in range(0, len(group), size))


def _solve_padded(problems: Sequence[Problem], tol_bits: float) -> list[Optimum]:
    first, second = (
        np.stack([pad_rows(part, padded_size(len(part))) for part in side]) for side in zip(*problems, strict=True)
    )
    bounds = solve_stack(first, second, tol_bits)
    return [
        Optimum(float(low), float(high), float(dual_low), a[: len(problem[0])], b[: len(problem[1])])
        for problem, low, high, dual_low, a, b in zip(problems, *bounds, strict=True)
    ]
