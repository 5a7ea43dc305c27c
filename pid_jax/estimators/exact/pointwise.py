"""Atoms of every pair, from the multipliers of the dual.

With F = A / √π and G = B / √π from the feasible dual point, the lower bound is a mean over the pairs s,

    I_q ≥ Σ_s w_s iq(s),    iq(s) = Σ_y p1_sy log F_sy + p2_sy log G_sy,

and R = i1 + i2 - iq, U1 = iq - i2, U2 = iq - i1, S = i12 - iq with the pair's own divergences i1, i2, i12 from P(Y) are
the atoms of that pair; their means are the atoms at the lower bound.

What is determined. Suppose two dual points are optimal. Their midpoint (in logarithms) is feasible and optimal too, and
exp is strictly convex, so S < 1 there for every pair of rows on which they differ in log F_iy + log G_jy for some y. By
complementary slackness no optimal coupling has mass on such a pair. So log F_iy + log G_jy is unique wherever a
coupling has mass Q_ijy > 0. The remaining freedom is one factor, F_iy → c F_iy and G_jy → G_jy / c, for each label y
and each connected component of its graph of such pairs (i, j). Both sides of a component have the same mass of the
label, and the mean over pairs does not depend on the factor. It is fixed by Σ_i w_i F_iy = Σ_j v_j G_jy over the
component: then an uninformative source has G = 1, and iq(s) = i1(s).

Pairs with mass are those with little slack 1 - S, whose mean under the coupling of the upper bound is at most the gap.
If that splits a component too far, its parts are out of balance; all such parts of a label share one factor.
"""

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pid_jax.estimators.exact.problem import ExactProblem, ExactSolution
from pid_jax.estimators.exact.rows import merge_rows
from pid_lvlm.data.names import NATS_PER_BIT

SLACKS: Final = 100
"""A pair counts as having mass if its slack is at most this many gaps: at most 1 / SLACKS of the mass is missed."""

LEAST_SLACK: Final = 1e-6
"""Slack that is always allowed, for the rounding of float32 multipliers."""

BALANCE: Final = 1e-10
"""Largest relative difference between a label's masses on the two sides of a component."""

BLOCK: Final = 512
"""Rows whose slacks are in memory at once."""


@dataclass(frozen=True)
class PointwiseAtoms:
    """Values of every pair, bits; NaN if its weight is 0.

    Their weighted means are the atoms and terms at the lower bound of the potentials. Single values can be negative and
    bound nothing.

    Attributes:
        redundancy: i1 + i2 - iq.
        unique1: iq - i2.
        unique2: iq - i1.
        synergy: i12 - iq.
        iq: contribution to the coupling information.
        i1: divergence of p(y|x1) from P(Y), times the ratio of the row's weight in the source to the pair's.
        i2: the same for source 2.
        i12: divergence of p(y|x1,x2) from P(Y).
    """

    redundancy: Float[np.ndarray, "..."]
    unique1: Float[np.ndarray, "..."]
    unique2: Float[np.ndarray, "..."]
    synergy: Float[np.ndarray, "..."]
    iq: Float[np.ndarray, "..."]
    i1: Float[np.ndarray, "..."]
    i2: Float[np.ndarray, "..."]
    i12: Float[np.ndarray, "..."]

    def reshaped(self, shape: tuple[int, ...]) -> "PointwiseAtoms":
        """The same values in arrays of another shape."""
        return PointwiseAtoms(*(getattr(self, field.name).reshape(shape) for field in fields(self)))


def pointwise(problem: ExactProblem, solution: ExactSolution) -> PointwiseAtoms:
    """Atoms of every pair of a solved problem, bits."""
    first, second = (
        _Source.of(source.p, source.weights, potential)
        for source, potential in zip(problem.sources, solution.potentials, strict=True)
    )
    gap = solution.high - solution.dual_low
    shift = _gauge(first, second, max(LEAST_SLACK, SLACKS * gap))
    p_y = problem.weights @ problem.p_y_x1x2
    known = problem.weights > 0
    shares, divergences = [], []
    for source, reconciled, at, by in zip((first, second), problem.sources, problem.rows_of_pairs, shift, strict=True):
        p, weights = reconciled.p, reconciled.weights
        # Only with `rescale` does a row's weight in its source differ from that of its pairs.
        pairs = np.bincount(at, problem.weights, len(p))
        ratio = np.divide(weights, pairs, out=np.ones_like(weights), where=pairs > 0)
        log_factor = (source.log_factor + by)[source.inverse]
        shares.append((ratio * (p * np.where(p > 0, log_factor, 0.0)).sum(1))[at])
        divergences.append((ratio * _divergence(p, weights @ p))[at])
    iq, i12 = shares[0] + shares[1], _divergence(problem.p_y_x1x2, p_y)
    values = [np.where(known, nats, np.nan) / NATS_PER_BIT for nats in (iq, *divergences, i12)]
    iq, i1, i2, i12 = values
    return PointwiseAtoms(i1 + i2 - iq, iq - i2, iq - i1, i12 - iq, *values)


@dataclass(frozen=True)
class _Source:
    """Distinct rows of one source: joint masses, dual variables, log F (0 where the mass is 0), and rows' places."""

    masses: Float[np.ndarray, "m k"]
    multipliers: Float[np.ndarray, "m k"]
    log_factor: Float[np.ndarray, "m k"]
    inverse: Int[np.ndarray, " n"]

    @classmethod
    def of(
        cls, p: Float[np.ndarray, "n k"], weights: Float[np.ndarray, " n"], potentials: Float[np.ndarray, "n k"]
    ) -> "_Source":
        masses, inverse = merge_rows(p, weights)
        multipliers = np.empty_like(masses)
        multipliers[inverse] = potentials
        root = np.sqrt(masses.sum(0))
        factor = np.divide(multipliers, root, out=np.ones_like(masses), where=(masses > 0) & (multipliers > 0))
        return cls(masses, multipliers, np.log(factor), inverse)

    @property
    def present(self) -> Bool[np.ndarray, "m k"]:
        return self.masses > 0

    def weighted_factors(self) -> Float[np.ndarray, "m k"]:
        """Row weight times F where the label is present, else 0."""
        return np.where(self.present, self.masses.sum(1)[:, None] * np.exp(self.log_factor), 0.0)


def _gauge(
    first: _Source, second: _Source, slack: float
) -> tuple[Float[np.ndarray, "m1 k"], Float[np.ndarray, "m2 k"]]:
    """Shifts of log F and log G: log c and -log c for each label's components."""
    shifts = np.zeros_like(first.masses), np.zeros_like(second.masses)
    totals = [source.weighted_factors() for source in (first, second)]
    parts: dict[bytes, tuple[Int[np.ndarray, " m1"], Int[np.ndarray, " m2"]]] = {}
    for y in range(first.masses.shape[1]):
        present = first.present[:, y], second.present[:, y]
        if not (present[0].any() and present[1].any()):
            continue
        key = present[0].tobytes() + present[1].tobytes()
        if key not in parts:
            parts[key] = _components(first.multipliers, second.multipliers, *present, slack)
        left, right = _balanced(parts[key], first.masses[:, y], second.masses[:, y])
        size = int(max(left.max(), right.max())) + 1
        f, g = (np.bincount(at, total[:, y], size) for at, total in zip((left, right), totals, strict=True))
        both = (f > 0) & (g > 0)
        log_c = np.where(both, np.log(np.where(both, g, 1.0) / np.where(both, f, 1.0)) / 2, 0.0)
        shifts[0][:, y], shifts[1][:, y] = log_c[left], -log_c[right]
    return shifts


def _components(
    a: Float[np.ndarray, "m1 k"],
    b: Float[np.ndarray, "m2 k"],
    left: Bool[np.ndarray, " m1"],
    right: Bool[np.ndarray, " m2"],
    slack: float,
) -> tuple[Int[np.ndarray, " m1"], Int[np.ndarray, " m2"]]:
    """Component number of every row. The edges are pairs with the label whose S = A Bᵀ is within `slack` of 1."""
    rows, columns = np.flatnonzero(left), np.flatnonzero(right)
    others, edges = b[columns].T, []
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        row, column = _spanning(a[part] @ others >= 1 - slack)
        edges.append((part[row], columns[column] + len(left)))
    at, to = (np.concatenate(ends) for ends in zip(*edges, strict=True))
    size = len(left) + len(right)
    graph = coo_array((np.ones(len(at), bool), (at, to)), shape=(size, size))
    _, number = connected_components(graph, directed=False)
    return number[: len(left)], number[len(left) :]


def _spanning(touching: Bool[np.ndarray, "r c"]) -> tuple[Int[np.ndarray, " e"], Int[np.ndarray, " e"]]:
    """Edges with the same components as all of them, often far fewer: rows with the same first column share theirs.

    Each row keeps its edge to its first column, and the first row of a group gets all other edges of the group.
    """
    least = touching.argmax(1)
    rows = np.flatnonzero(touching[np.arange(len(touching)), least])
    rows = rows[np.argsort(least[rows], kind="stable")]
    if not len(rows):
        return rows, rows
    starts = np.flatnonzero(np.diff(least[rows], prepend=-1))
    group, column = np.nonzero(np.logical_or.reduceat(touching[rows], starts))
    return np.concatenate([rows, rows[starts][group]]), np.concatenate([least[rows], column])


def _balanced(
    parts: tuple[Int[np.ndarray, " m1"], Int[np.ndarray, " m2"]],
    left_mass: Float[np.ndarray, " m1"],
    right_mass: Float[np.ndarray, " m2"],
) -> tuple[Int[np.ndarray, " m1"], Int[np.ndarray, " m2"]]:
    """Components numbered from 1; those out of balance become component 0."""
    left, right = parts
    size = int(max(left.max(), right.max())) + 1
    sides = np.bincount(left, left_mass, size), np.bincount(right, right_mass, size)
    balanced = np.abs(sides[0] - sides[1]) <= BALANCE * np.minimum(*sides)
    number = np.where(balanced, np.arange(size) + 1, 0)
    return number[left], number[right]


def _divergence(p: Float[np.ndarray, "n k"], p_y: Float[np.ndarray, " k"]) -> Float[np.ndarray, " n"]:
    """KL(p_s ‖ P(Y)) of every row, nats; rows of weight 0 may have more options than P(Y)."""
    ratio = np.divide(p, p_y, out=np.ones_like(p), where=(p > 0) & (p_y > 0))
    return (p * np.log(ratio)).sum(1)
