"""Exact partial information decomposition of a small finite joint distribution, with a certified gap.

The decomposition is that of Bertschinger et al. (2014), "Quantifying unique information" (BROJA): with Q ranging
over the joint distributions that keep p(x1, y) and p(x2, y), and I_q the smallest I_Q(X1, X2; Y),

    redundancy = I1 + I2 - I_q    unique 1 = I_q - I2    unique 2 = I_q - I1    synergy = I12 - I_q.

Tables of the demo world have a few dozen entries once equal conditionals are merged, so the convex problem is
solved by a primal-dual interior-point method in float64. Its multipliers give a dual point, and with it a
certified lower bound on I_q; its primal point, rounded to exact marginals, gives the upper bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pid_lvlm.data.names import NATS_PER_BIT

if TYPE_CHECKING:
    from pid_lvlm.data.world.tasks import Task

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TrueAtoms:
    """The four atoms of a decomposition, in bits.

    Attributes:
        redundancy: Information that either source alone carries.
        unique_vision: Information that only source 1 (the picture) carries.
        unique_language: Information that only source 2 (the question) carries.
        synergy: Information that only both sources together carry.
        gap: Certified bound on the error of every atom.
    """

    redundancy: float
    unique_vision: float
    unique_language: float
    synergy: float
    gap: float

    @property
    def total(self) -> float:
        """I(X1, X2; Y) in bits: the sum of the four atoms."""
        return self.redundancy + self.unique_vision + self.unique_language + self.synergy


def true_atoms(task: Task) -> TrueAtoms:
    """Exact atoms of a task of the demo world.

    Args:
        task: A task, whose `joint` has shape (pictures, questions, letters).

    Returns:
        The atoms in bits.
    """
    return broja_atoms(task.joint)


def broja_atoms(joint: Array, tolerance_nats: float = 1e-9) -> TrueAtoms:
    """Exact decomposition of p(x1, x2, y).

    Args:
        joint: Non-negative array of shape (x1, x2, y) that sums to 1.
        tolerance_nats: Largest distance allowed between the value found for I_q and its certified lower bound.

    Returns:
        The atoms in bits; `gap` is the certified distance, also in bits.

    Raises:
        ValueError: If `joint` is not a probability table with three axes.
    """
    joint = np.asarray(joint, dtype=np.float64)
    if joint.ndim != 3 or (joint < 0).any() or not np.isclose(joint.sum(), 1.0, atol=1e-9):
        found = f"shape {joint.shape} with sum {joint.sum()}"
        message = f"expected a non-negative (x1, x2, y) table that sums to 1, got {found}"
        raise ValueError(message)
    first_nats = mutual_information_nats(joint.sum(axis=1))
    second_nats = mutual_information_nats(joint.sum(axis=0))
    both_nats = mutual_information_nats(joint.reshape(-1, joint.shape[2]))
    coupling_nats, bound_nats = coupling_information_nats(
        _merge_rows(joint.sum(axis=1)), _merge_rows(joint.sum(axis=0)), tolerance_nats
    )
    atoms_nats = (
        first_nats + second_nats - coupling_nats,
        coupling_nats - second_nats,
        coupling_nats - first_nats,
        both_nats - coupling_nats,
    )
    bits = [value / NATS_PER_BIT for value in atoms_nats]
    return TrueAtoms(bits[0], bits[1], bits[2], bits[3], gap=max(coupling_nats - bound_nats, 0.0) / NATS_PER_BIT)


def mutual_information_nats(table: Array) -> float:
    """Mutual information of a joint table, in nats.

    Args:
        table: Joint probabilities of shape (x, y).

    Returns:
        I(X; Y) in nats.
    """
    product = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True)
    on = table > 0
    return float((table[on] * np.log(table[on] / product[on])).sum())


def coupling_information_nats(first: Array, second: Array, tolerance_nats: float = 1e-9) -> tuple[float, float]:
    """Smallest I_Q(X1, X2; Y) over the couplings Q of two joint tables with the same p(y).

    Args:
        first: p(x1, y), shape (x1, y).
        second: p(x2, y), shape (x2, y).
        tolerance_nats: Largest distance allowed between the two values returned.

    Returns:
        The information of the coupling found, and a certified lower bound on the smallest one, in nats.
    """
    # A coupling has one unknown per (x1, x2, y) whose two marginals are positive; all other entries are zero.
    i1, i2, iy = np.nonzero((first[:, None, :] > 0) & (second[None, :, :] > 0))
    label = first.sum(axis=0)
    constraints, target = _constraints(first, second, i1, i2, iy)
    pair = i1 * len(second) + i2
    coupling = first[i1, iy] * second[i2, iy] / label[iy]
    entropy_nats = -float((label[label > 0] * np.log(label[label > 0])).sum())
    slack = np.full(len(coupling), 1.0)
    multipliers = np.zeros(len(target))
    best_value, best_bound = np.inf, 0.0
    for _ in range(200):
        coupling, slack, multipliers = _newton_step(coupling, slack, multipliers, pair, constraints, target)
        dense = np.zeros((len(first), len(second), len(label)))
        dense[i1, i2, iy] = coupling
        value = mutual_information_nats(_round(dense, first, second).reshape(-1, len(label)))
        # Any potentials with sum_y exp(sum) <= 1 for every pair bound the value from below; shift to make it so.
        potential = constraints.T @ multipliers
        excess = float(np.log(np.bincount(pair, np.exp(np.minimum(potential, 700.0))).max()))
        best_value = min(best_value, value)
        best_bound = max(best_bound, float(target @ multipliers) - excess + entropy_nats)
        if best_value - best_bound <= tolerance_nats or coupling @ slack < 1e-15:
            break
    return best_value, best_bound


def _round(coupling: Array, first: Array, second: Array) -> Array:
    """A nearby table with exact marginals, so that its information is a certified upper bound."""
    sums = coupling.sum(axis=1)
    coupling = coupling * np.minimum(1.0, first / np.where(sums > 0, sums, 1.0))[:, None, :]
    sums = coupling.sum(axis=0)
    coupling = coupling * np.minimum(1.0, second / np.where(sums > 0, sums, 1.0))[None, :, :]
    missing_first = np.maximum(first - coupling.sum(axis=1), 0.0)
    missing_second = np.maximum(second - coupling.sum(axis=0), 0.0)
    mass = np.maximum(missing_first.sum(axis=0), 1e-300)
    return coupling + missing_first[:, None, :] * missing_second[None, :, :] / mass


def _merge_rows(table: Array) -> Array:
    """Merge rows with equal p(y|x), which leaves the atoms unchanged, and drop empty rows."""
    table = table[table.sum(axis=1) > 0]
    _, where = np.unique(np.round(table / table.sum(axis=1, keepdims=True), 12), axis=0, return_inverse=True)
    merged = np.zeros((where.max() + 1, table.shape[1]))
    np.add.at(merged, where.reshape(-1), table)
    return merged


def _constraints(first: Array, second: Array, i1: NDArray, i2: NDArray, iy: NDArray) -> tuple[Array, Array]:
    """Both marginals as a linear system without redundant rows."""
    rows, target = [], []
    for x, y in zip(*np.nonzero(first > 0), strict=True):
        rows.append((i1 == x) & (iy == y))
        target.append(first[x, y])
    for y in range(second.shape[1]):
        # Given the rows of a label, its last column is implied.
        for x in np.nonzero(second[:, y] > 0)[0][:-1]:
            rows.append((i2 == x) & (iy == y))
            target.append(second[x, y])
    return np.array(rows, dtype=np.float64), np.array(target)


def _newton_step(
    coupling: Array, slack: Array, multipliers: Array, pair: NDArray, constraints: Array, target: Array
) -> tuple[Array, Array, Array]:
    """One primal-dual interior-point step for: minimise sum Q log(Q / sum_y Q) under the constraints and Q >= 0.

    Unknowns are scaled by the current point. Per pair the matrix is then diag(Q + s) - Q Q' / sum(Q), s = Q * slack,
    whose inverse (Sherman-Morrison) is written without the difference that would cancel near the boundary.
    """
    product = coupling * slack
    aim = 0.15 * float(product.mean())
    gradient = np.log(coupling / np.bincount(pair, coupling)[pair])
    reduced = coupling * (gradient - constraints.T @ multipliers) - aim
    weight = 1.0 / (coupling + product)
    share = coupling * weight
    spread = np.bincount(pair, product * share)[pair]
    inverse = np.diag(weight) + (pair[:, None] == pair) * np.outer(share, share) / spread
    scaled = constraints * coupling
    projected = scaled @ inverse
    change = _solve(projected @ scaled.T, target - constraints @ coupling + projected @ reduced)
    step = inverse @ (scaled.T @ change - reduced)
    slack_step = aim / product - 1.0 - step  # relative, like `step`
    size = min(1.0, 0.95 / max(float(-step.min()), 1e-300))
    slack_size = min(1.0, 0.95 / max(float(-slack_step.min()), 1e-300))
    size = slack_size = min(size, slack_size)
    return coupling * (1 + size * step), slack * (1 + slack_size * slack_step), multipliers + slack_size * change


def _solve(matrix: Array, right: Array) -> Array:
    """Solve a positive definite system whose rows differ by many orders of magnitude, with one refinement step."""
    scale = 1.0 / np.sqrt(np.diag(matrix))
    scaled = matrix * np.outer(scale, scale) + 1e-15 * np.eye(len(matrix))
    first = np.linalg.solve(scaled, right * scale)
    return scale * (first + np.linalg.solve(scaled, right * scale - scaled @ first))
