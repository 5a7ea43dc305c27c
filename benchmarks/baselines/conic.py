"""The BROJA optimum by a conic solver (Clarabel through cvxpy), with its own bounds and independent of `pid_jax`.

The problem is formulated as by Makkeh, Theis and Vicente (BROJA-2PID, 2018), with one exponential cone for each
positive entry of the coupling. It grows with n1 · n2 · K: 32 rows with 4 options take half a CPU second, 64 rows with 6
options 20 to 30.
"""

import warnings
from typing import NamedTuple

import cvxpy
import numpy as np
import scipy.sparse
from numpy.typing import NDArray

BITS_PER_NAT = 1 / np.log(2)
ENOUGH_BITS = 1e-5
"""Maximum gap between the bounds: if the solver stops earlier, it is retried once with larger masses."""


class ConicOptimum(NamedTuple):
    """I_q in bits.

    Attributes:
        low: a lower bound: the solver's multipliers, shifted to be feasible.
        value: the solver's value.
        high: an upper bound: the solver's coupling, rounded to exact marginals.
    """

    low: float
    value: float
    high: float


def conic_optimum(first: NDArray, second: NDArray) -> ConicOptimum:
    """Minimise I_Q(X1,X2;Y) over the couplings Q of two tables.

    Args:
        first: (n1, k) p(x1, y), float64; sums to 1.
        second: (n2, k) p(x2, y) with the same column sums.

    Raises:
        cvxpy.SolverError: the solver found no solution.
    """
    rows = max(len(first), len(second))
    found = _solve(first, second, rows)
    if found.high - found.low <= ENOUGH_BITS:
        return found
    again = _solve(first, second, rows**2)
    return ConicOptimum(max(found.low, again.low), again.value, min(found.high, again.high))


def _solve(first: NDArray, second: NDArray, scale: float) -> ConicOptimum:
    """The problem with all masses times `scale`: the solver's tolerances are absolute."""
    (n1, options), n2 = first.shape, len(second)
    i, j, y = np.nonzero((first[:, None] > 0) & (second[None] > 0))
    pair = i * n2 + j
    totals, rows, columns = (
        scipy.sparse.csr_matrix((np.ones(len(i)), (place, np.arange(len(i)))), shape=(places, len(i)))
        for place, places in ((pair, n1 * n2), (i * options + y, n1 * options), (j * options + y, n2 * options))
    )
    coupling = cvxpy.Variable(len(i), nonneg=True)
    marginals = [rows @ coupling == scale * first.ravel(), columns @ coupling == scale * second.ravel()]
    loss = cvxpy.sum(cvxpy.rel_entr(coupling, totals[pair] @ coupling))
    problem = cvxpy.Problem(cvxpy.Minimize(loss), marginals)
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # inexact solutions show in the bounds
        problem.solve(solver=cvxpy.CLARABEL)
    q = np.zeros((n1, n2, options))
    q[i, j, y] = coupling.value / scale
    entropy = -_sum_xlogx(first.sum(0))
    multipliers = (-np.asarray(each.dual_value).reshape(-1, options) for each in marginals)
    nats = (
        entropy + _feasible_value(first, second, *multipliers),
        entropy + problem.value / scale,
        entropy + _loss(_rounded(np.maximum(q, 0), first, second)),
    )
    return ConicOptimum(*(float(bound) * BITS_PER_NAT for bound in nats))


def _feasible_value(first: NDArray, second: NDArray, row: NDArray, column: NDArray) -> float:
    """Dual value after shifting every row so that sum_y exp(row_iy + column_jy) is at most 1 for every pair."""
    row, column = (np.where(mass > 0, value, -np.inf) for mass, value in ((first, row), (second, column)))
    row = row - np.log(np.exp(row[:, None] + column[None]).sum(2).max(1, keepdims=True))
    return float(sum((mass[mass > 0] * value[mass > 0]).sum() for mass, value in ((first, row), (second, column))))


def _rounded(q: NDArray, first: NDArray, second: NDArray) -> NDArray:
    """A coupling near `q` whose marginals are exact."""
    for axis, target in ((1, first), (0, second)):
        found = q.sum(axis)
        q = q * np.expand_dims(np.minimum(1.0, target / np.where(found > 0, found, 1.0)), axis)
    missing = [np.maximum(target - q.sum(axis), 0) for axis, target in ((1, first), (0, second))]
    mass = np.maximum(missing[0].sum(0), 1e-300)
    return q + missing[0][:, None] * missing[1][None] / mass


def _loss(q: NDArray) -> float:
    return _sum_xlogx(q) - _sum_xlogx(q.sum(2))


def _sum_xlogx(x: NDArray) -> float:
    return float((x * np.log(np.where(x > 0, x, 1.0))).sum())
