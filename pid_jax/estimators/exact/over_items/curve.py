"""Atoms as a curve over the number of items, to compare data sets of different size at a common size."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Shaped

from pid_jax.estimators.exact.over_items.parts import Part, known_groups, number_groups, random_parts, reached
from pid_jax.estimators.exact.problem import ExactProblem, solve_problems
from pid_jax.estimators.exact.rows import Marginals
from pid_jax.information import AtomsInBits
from pid_jax.setting import ArgumentError

SHARES: Final = (1 / 8, 1 / 4, 1 / 2, 1)
"""Shares of the items, unless numbers of items are given."""

MOST_PARTS: Final = 8
"""Maximum number of disjoint parts to solve per size."""


@dataclass(frozen=True)
class RowsPoint:
    """Atoms at one number of items.

    Attributes:
        rows: items per part, on average.
        parts: number of disjoint random parts that were solved.
        atoms: means over the parts, bits.
        sd: standard deviations over the parts, bits; NaN for a single part.
        gap_bits: the widest certified interval of a part.
    """

    rows: float
    parts: int
    atoms: AtomsInBits
    sd: AtomsInBits
    gap_bits: float


def curve_over_rows(
    problem: ExactProblem,
    *,
    groups: Shaped[np.ndarray, " _"] | None,
    rows: Sequence[int] | None,
    tol_bits: float,
    marginals: Marginals = "tilt",
    seed: int = 0,
) -> list[RowsPoint]:
    """Solve random parts of several sizes, all in one call.

    Args:
        problem: a problem whose rows of both sources and of the pairs belong to the same items.
        groups: the group of each item; parts consist of whole groups. None if the items are independent.
        rows: numbers of items; by default an eighth, a quarter, half and all of them.
        tol_bits: maximum width of the certified intervals, bits.
        marginals: how the problem was reconciled; every part is reconciled with its own P(Y).
        seed: seed of the parts.

    Raises:
        ArgumentError: a number of items is not between 2 and all of them, or no part of that size can be reconciled.
    """
    labels = number_groups(problem, groups)
    items = int((problem.weights > 0).sum())
    sizes = [max(2, round(share * items)) for share in SHARES] if rows is None else list(rows)
    parts: list[list[Part]] = []
    for size in sizes:
        if not 2 <= size <= items:
            raise ArgumentError("rows", f"expected numbers of items from 2 to {items}, found {size}")
        total = len(known_groups(problem, labels))
        each = max(1, round(total * size / items))
        count = min(total // each, MOST_PARTS)
        drawn = random_parts(problem, labels, [each] * count, (seed, size), marginals)
        parts.append([part for part in drawn if reached([part])])
        if not parts[-1]:
            raise ArgumentError("rows", f"no part of {size} items can be brought to its P(Y)")
    solved = iter(solve_problems([part.problem for own in parts for part in own], tol_bits))
    found = []
    for own in parts:
        solutions = [next(solved) for _ in own]
        atoms = np.array([solution.atoms().in_bits() for solution in solutions])
        sd = atoms.std(axis=0, ddof=1) if len(own) > 1 else np.full(4, np.nan)
        found.append(
            RowsPoint(
                rows=float(np.mean([len(part.rows) for part in own])),
                parts=len(own),
                atoms=AtomsInBits(*map(float, atoms.mean(0))),
                sd=AtomsInBits(*map(float, sd)),
                gap_bits=max(solution.gap_bits for solution in solutions),
            )
        )
    return found
