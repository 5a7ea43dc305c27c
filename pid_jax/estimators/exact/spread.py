"""How much the atoms depend on the way in which three conditions that disagree are brought to one P(Y).

The conditionals of the two sources and of the pairs are three estimates, and no coupling exists unless their means
agree. Each way to make them agree is as defensible as the others, so that the range of an atom over the ways is part of
its uncertainty: often the largest part, which neither the certified interval nor the number of rows shows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import Float, Int

from pid_jax.estimators.exact.problem import REACHED, ExactProblem
from pid_jax.estimators.exact.rows import reconcile
from pid_jax.estimators.exact.strata import StratifiedProblem, solve_stratified
from pid_jax.information import AtomsInBits

Way: TypeAlias = Literal["tilt", "rescale", "mean", "first", "second"]
"""`tilt`, `rescale`: the sources to the P(Y) of the pairs, as `Marginals` says. The others tilt all three to one P(Y):
their `mean`, that of the `first` source or of the `second`."""

WAYS: Final[tuple[Way, ...]] = get_args(Way)

TOLERANCE_BITS: Final = 1e-2
"""Width of the intervals of which the middles are compared."""


@dataclass(frozen=True)
class GivenRows:
    """Conditionals as measured, before anything is done about their P(Y).

    Attributes:
        p_y_x1: float64, rows that sum to 1.
        p_y_x2: the same of source 2.
        p_y_x1x2: the same of the pairs.
        weights: of the rows; they sum to 1.
        labels: of the strata; None: one stratum.
    """

    p_y_x1: Float[np.ndarray, "n k"]
    p_y_x2: Float[np.ndarray, "n k"]
    p_y_x1x2: Float[np.ndarray, "n k"]
    weights: Float[np.ndarray, " n"]
    labels: Int[np.ndarray, " n"] | None = None


@dataclass(frozen=True)
class MarginalsSpread:
    """Atoms by the way to one P(Y).

    Attributes:
        atoms: middles of the certified intervals, bits, of the ways that are possible. One way only where the P(Y)
            agree as given.
        unreachable: ways that are impossible, since too many rows rule an option out.
    """

    atoms: Mapping[Way, AtomsInBits]
    unreachable: tuple[Way, ...]

    @property
    def ranges(self) -> AtomsInBits:
        """Of every atom the largest value minus the least, bits; NaN where no way is possible."""
        if not self.atoms:
            return AtomsInBits(*[float("nan")] * 4)
        return AtomsInBits(*map(float, np.ptp(np.array(list(self.atoms.values())), axis=0)))

    @property
    def largest(self) -> float:
        """The largest of the ranges, bits."""
        return max(self.ranges)


def marginals_spreads(
    given: Sequence[GivenRows], tol_bits: float = TOLERANCE_BITS, ways: Sequence[Way] = WAYS, devices: int = 1
) -> list[MarginalsSpread]:
    """Solve many problems in every way, through one call of `solve_problems`.

    Args:
        given: the problems; where the P(Y) agree (in every stratum), only the first way is solved.
        tol_bits: how wide the certified intervals may be, bits.
        ways: that are compared.
        devices: on a CPU, how many problems are solved at a time.
    """
    tried = [{way: _reconciled(rows, way) for way in ways} for rows in given]
    possible = []
    for problems in tried:
        reached = {way: problem for way, problem in problems.items() if max(problem.residuals) <= REACHED}
        agree = all(problem.marginal_mismatch <= REACHED for problem in reached.values())
        possible.append(dict(list(reached.items())[:1]) if agree else reached)
    solved = iter(
        solve_stratified([problem for problems in possible for problem in problems.values()], tol_bits, devices)
    )
    return [
        MarginalsSpread(
            atoms={way: next(solved).atoms().in_bits() for way in problems},
            unreachable=tuple(way for way, problem in every.items() if max(problem.residuals) > REACHED),
        )
        for every, problems in zip(tried, possible, strict=True)
    ]


def _reconciled(rows: GivenRows, way: Way) -> StratifiedProblem:
    given = rows.p_y_x1, rows.p_y_x2, rows.p_y_x1x2, rows.weights, rows.labels
    if way in ("tilt", "rescale"):
        return StratifiedProblem.split(*given, partial(ExactProblem.of, marginals=way))
    return StratifiedProblem.split(*given, partial(_tilted, way=way))


def _tilted(
    p_y_x1: Float[np.ndarray, "n k"],
    p_y_x2: Float[np.ndarray, "n k"],
    p_y_x1x2: Float[np.ndarray, "n k"],
    weights: Float[np.ndarray, " n"],
    way: Way,
) -> ExactProblem:
    """All three tilted to one P(Y); the residual of the pairs counts as one of the first source."""
    given = ExactProblem.of(p_y_x1, p_y_x2, p_y_x1x2, weights, "as-given")
    means = [weights @ p for p in (p_y_x1, p_y_x2, p_y_x1x2)]
    target = {"mean": sum(means) / 3, "first": means[0], "second": means[1]}[way]
    first, second, pairs = (reconcile(p, weights, target, "tilt") for p in (p_y_x1, p_y_x2, p_y_x1x2))
    first = first._replace(residual=max(first.residual, pairs.residual))
    return ExactProblem((first, second), pairs.p, weights, given.marginal_mismatch)
