"""How much the atoms depend on the way to bring three disagreeing conditions to one P(Y).

The conditionals of the two sources and of the pairs are three estimates, and no coupling exists unless their means
agree. All ways to make them agree are equally defensible, so the range of an atom over them is part of its uncertainty,
and often the largest part, which neither the certified interval nor the number of rows shows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, TypeAlias, get_args

import numpy as np

from pid_jax.estimators.exact.problem import REACHED, ExactProblem, GivenRows
from pid_jax.estimators.exact.rows import reconcile
from pid_jax.estimators.exact.strata import StratifiedProblem, solve_stratified
from pid_jax.information import AtomsInBits

Way: TypeAlias = Literal["tilt", "rescale", "mean", "first", "second"]
"""`tilt`, `rescale`: bring the sources to the P(Y) of the pairs (see `Marginals`). The others tilt all three to one
P(Y): their `mean`, or that of the `first` or `second` source."""

WAYS: Final[tuple[Way, ...]] = get_args(Way)

TOLERANCE_BITS: Final = 1e-2
"""Width of the intervals whose midpoints are compared."""


@dataclass(frozen=True)
class MarginalsSpread:
    """Atoms by the way to one P(Y).

    Attributes:
        atoms: midpoints of the certified intervals, bits, for the ways that are possible. Only one way if the P(Y)
        agree as given.
        unreachable: ways that are impossible because too many rows rule an option out.
    """

    atoms: Mapping[Way, AtomsInBits]
    unreachable: tuple[Way, ...]

    @property
    def ranges(self) -> AtomsInBits:
        """Range of each atom, largest minus smallest value, bits; NaN if no way is possible."""
        if not self.atoms:
            return AtomsInBits(*[float("nan")] * 4)
        return AtomsInBits(*map(float, np.ptp(np.array(list(self.atoms.values())), axis=0)))

    @property
    def largest(self) -> float:
        """The largest of the ranges, bits."""
        return max(self.ranges)


def marginals_spreads(
    given: Sequence[GivenRows],
    tol_bits: float = TOLERANCE_BITS,
    ways: Sequence[Way] = WAYS,
    devices: int = 1,
    known: Sequence[Mapping[Way, AtomsInBits]] | None = None,
) -> list[MarginalsSpread]:
    """Solve many problems in every way, through one call of `solve_problems`.

    Args:
        given: the problems; if the P(Y) agree (in every stratum), only the first way is solved.
        tol_bits: maximum width of the certified intervals, bits.
        ways: the ways to compare.
        devices: on a CPU, number of problems solved at a time.
        known: for each problem, atoms solved before; these ways are not solved again.
    """
    known = [{}] * len(given) if known is None else known
    tried = [{way: _reconciled(rows, way) for way in ways} for rows in given]
    possible = []
    for problems in tried:
        reached = {way: problem for way, problem in problems.items() if max(problem.residuals) <= REACHED}
        agree = all(problem.marginal_mismatch <= REACHED for problem in reached.values())
        possible.append(dict(list(reached.items())[:1]) if agree else reached)
    missing = [
        problem
        for problems, atoms in zip(possible, known, strict=True)
        for way, problem in problems.items()
        if way not in atoms
    ]
    solved = iter(solve_stratified(missing, tol_bits, devices))
    return [
        MarginalsSpread(
            atoms={way: atoms[way] if way in atoms else next(solved).atoms().in_bits() for way in problems},
            unreachable=tuple(way for way, problem in every.items() if max(problem.residuals) > REACHED),
        )
        for every, problems, atoms in zip(tried, possible, known, strict=True)
    ]


def _reconciled(rows: GivenRows, way: Way) -> StratifiedProblem:
    if way in ("tilt", "rescale"):
        return StratifiedProblem.of(rows, way)
    return StratifiedProblem.split(rows, partial(_tilted, way=way))


def _tilted(rows: GivenRows, way: Way) -> ExactProblem:
    """All three tilted to one P(Y); the residual of the pairs is attributed to the first source."""
    p_y = rows.p_y
    target = {"mean": np.mean(p_y, axis=0), "first": p_y[0], "second": p_y[1]}[way]
    first, second, pairs = (reconcile(p, rows.weights, target, "tilt") for p in rows.conditionals)
    first = first._replace(residual=max(first.residual, pairs.residual))
    return ExactProblem((first, second), pairs.p, rows.weights, rows.marginal_mismatch)
