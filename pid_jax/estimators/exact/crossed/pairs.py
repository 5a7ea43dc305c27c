"""Crossed pairs: a joint distribution of pictures and questions, whose marginals are means over its pairs.

Picture i is paired with M questions, and all n M pairs have equal weight. Then

    p(y|x1_i) = mean of p(y|i, j) over its questions j       p(y|x2_j) = the same over the pictures paired with j P(Y) =
    mean over all pairs                                I12 = mean over all pairs of KL(p(y|i, j) ‖ P(Y)),

with one P(Y) by construction. So nothing has to be reconciled, and the measured joint is itself one of the couplings:
max(I1, I2) ≤ I_q ≤ I12. With few pairs, p(y|x1_i) and p(y|x2_j) are noisy means and I1, I2 are too large, by Σ_y
Var(p_y) / (2 M P_y) nats to first order (`pid_jax.estimators.exact.crossed.bias`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from pid_jax.estimators.exact.problem import ExactProblem, ExactSolution, solve_problems
from pid_jax.estimators.exact.rows import Reconciled


@dataclass(frozen=True)
class CrossedPairs:
    """Answers to the questions of other items.

    Attributes:
        p: float64 (n, M, K); rows over the options sum to 1.
        partner: (n, M) items whose questions are paired with item i's picture.
    """

    p: Float[np.ndarray, "n m k"]
    partner: Int[np.ndarray, "n m"]

    def columns(self, chosen: Sequence[int] | Int[np.ndarray, " c"]) -> "CrossedPairs":
        """Some of the M questions of every picture."""
        return CrossedPairs(self.p[:, chosen], self.partner[:, chosen])


@dataclass(frozen=True)
class CrossedStratum:
    """Pairs whose questions have the same number of options.

    Attributes:
        mass: share of the pairs.
        pairs: indices of the pairs, in the order (n, M).
        problem: the problem of these pairs alone.
    """

    mass: float
    pairs: Int[np.ndarray, " p"]
    problem: ExactProblem


@dataclass(frozen=True)
class CrossedSolution:
    """Averages over the strata, nats; like `ExactSolution`, with I_q ≤ I12 as a further upper bound.

    Attributes:
        i1: I(X1;Y).
        i2: I(X2;Y).
        i12: I(X1,X2;Y).
        low: certified lower bound on I_q.
        high: certified upper bound.
        strata: the problems.
        parts: their solutions.
    """

    i1: float
    i2: float
    i12: float
    low: float
    high: float
    strata: tuple[CrossedStratum, ...]
    parts: tuple[ExactSolution, ...]

    @property
    def terms(self) -> Float[np.ndarray, " 4"]:
        """I1, I2, I12 and the midpoint of the certified interval of I_q."""
        return np.array([self.i1, self.i2, self.i12, (self.low + self.high) / 2])


def crossed_strata(pairs: CrossedPairs, labels: Int[np.ndarray, " n"] | None = None) -> tuple[CrossedStratum, ...]:
    """The problem of every stratum.

    Args:
        pairs: of one layer.
        labels: stratum of each question (its number of options); None: one stratum.
    """
    n, m, _ = pairs.p.shape
    question = pairs.partner.ravel()
    label = np.zeros(n, np.int64) if labels is None else labels
    of_pair = label[question]
    strata = []
    for value in np.unique(of_pair):
        own = np.flatnonzero(of_pair == value)
        strata.append(CrossedStratum(len(own) / (n * m), own, _problem(pairs, own)))
    return tuple(strata)


def _problem(pairs: CrossedPairs, own: Int[np.ndarray, " p"]) -> ExactProblem:
    """The problem of some of the pairs; a picture or question without any is left out."""
    n, m, options = pairs.p.shape
    p = pairs.p.reshape(-1, options)[own]
    sources, rows = [], []
    for source in (own // m, pairs.partner.ravel()[own]):
        count = np.bincount(source, minlength=n)
        sums = np.stack([np.bincount(source, column, n) for column in p.T], axis=1)
        known = count > 0
        sources.append(Reconciled(sums[known] / count[known, None], count[known] / len(own), 0.0))
        rows.append((np.cumsum(known) - 1)[source])
    return ExactProblem((sources[0], sources[1]), p, np.full(len(own), 1 / len(own)), 0.0, (rows[0], rows[1]))


def solve_crossed(
    problems: Sequence[Sequence[CrossedStratum]], tol_bits: float, devices: int = 1
) -> list[CrossedSolution]:
    """Solve the strata of many crossed problems in one call.

    Args:
        problems: the strata of each.
        tol_bits: maximum width of the certified interval, bits.
        devices: on a CPU, number of problems solved at a time.
    """
    solved = iter(solve_problems([s.problem for strata in problems for s in strata], tol_bits, devices))
    return [_average(tuple(strata), tuple(next(solved) for _ in strata)) for strata in problems]


def _average(strata: tuple[CrossedStratum, ...], parts: tuple[ExactSolution, ...]) -> CrossedSolution:
    parts = tuple(_bounded(part) for part in parts)
    masses = np.array([stratum.mass for stratum in strata])
    means = {name: float(masses @ [getattr(p, name) for p in parts]) for name in ("i1", "i2", "i12", "low", "high")}
    return CrossedSolution(**means, strata=strata, parts=parts)


def _bounded(part: ExactSolution) -> ExactSolution:
    """The measured joint is a coupling with these marginals, so its I12 is an upper bound."""
    high = max(part.i1, part.i2, min(part.high, part.i12))
    return replace(part, low=min(part.low, high), high=high)
