"""Newton's method for the penalised dual at one penalty p, in log A and log B together.

    max ⟨P, log A⟩ + ⟨R, log B⟩ - (1/p) Σ w_i v_j S_ij^p

The Hessian's diagonal blocks (one K x K block per row) are inverted; the coupling of the two sides is eliminated by a
Schur complement on the columns, solved by conjugate gradients with the block diagonal as preconditioner. The Hessian
uses W / S² in place of W / S, which is close wherever there is mass, and so stays positive semidefinite with the same
null directions.
"""

from functools import cache, partial
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from pid_jax.estimators.exact.penalty.pairs import Linearised, Pairs

TINY: Final = 1e-30

LARGEST_STEP: Final = 3.0
"""Maximum change of log A in one step."""

ROUNDING: Final = 1e-9
"""Amount by which float32 may miss an increase of the objective, nats."""

CG_TOLERANCE: Final = 0.6
CG_STEPS: Final = 30

Masses = tuple[Float[np.ndarray, "n1 k"], Float[np.ndarray, "n2 k"]]


class Blocks(NamedTuple):
    """The K x K blocks of the Hessian, one per row, and their inverses."""

    hessian: Float[np.ndarray, "n k k"]
    inverse: Float[np.ndarray, "n k k"]


class Solved(NamedTuple):
    """The result at one penalty.

    Attributes:
        at: the last point.
        residual: half the absolute difference between its sums and the masses before the last step.
        damping: Levenberg's factor for the next penalty.
    """

    at: Linearised
    residual: float
    damping: float


def solve_penalised(
    pairs: Pairs, masses: Masses, start: Masses, p: int, tolerance: float, steps: int, damping: float
) -> Solved:
    """Newton steps until the marginals of the coupling are right.

    Args:
        pairs: the pairs to sum over.
        masses: P and R.
        start: A and B.
        p: the penalty.
        tolerance: tolerance of the residual.
        steps: maximum number of steps.
        damping: initial Levenberg factor.
    """
    at = _rescaled(pairs, masses, pairs.linearise(*start, p, None))
    residual = np.inf
    for step in range(steps):
        residual = _residual(masses, at)
        if residual < 0.03 * tolerance:
            break
        at, size, damping = _joint_step(pairs, masses, at, damping)
        if size == 0.0 and step > 2 and residual > 0.03:
            break
        if size < 0.5 or damping > 0.1:
            damping *= 0.1
            for _ in range(2):
                at = half_step(pairs, masses, at, 0)
                at = half_step(pairs, masses, at, 1)
        if residual < tolerance:
            break
    return Solved(at, float(residual), damping)


def half_step(pairs: Pairs, masses: Masses, at: Linearised, side: int) -> Linearised:
    """One damped Newton step for each row (side 0) or column (side 1) separately, with the other side fixed."""
    target, found = masses[side], (at.rows, at.columns)[side]
    block = _blocks(pairs, target, at, side, exact=True)
    step = np.clip(_apply(block.inverse, np.where(target > 0, target - found, 0.0)), -LARGEST_STEP, LARGEST_STEP)
    weight, gain = target.sum(1), (target * step).sum(1)
    size = np.ones(len(weight))
    for _ in range(9):
        moved = (at.first, at.second)[side] * np.exp(size[:, None] * step)
        new = pairs.linearise(*_with_side(at, side, moved), at.p, at)
        growth = ((new.rows, new.columns)[side] - found).sum(1)
        accepted = size * gain - growth / at.p >= -1e-6 * weight
        if accepted.all():
            return new
        size = np.where(accepted, size, 0.3 * size)
    moved = (at.first, at.second)[side] * np.exp(np.where(accepted, size, 0.0)[:, None] * step)
    return pairs.linearise(*_with_side(at, side, moved), at.p, None)


def _with_side(at: Linearised, side: int, new: Float[np.ndarray, "n k"]) -> Masses:
    """A and B with one replaced."""
    return (new, at.second) if side == 0 else (at.first, new)


def _joint_step(pairs: Pairs, masses: Masses, at: Linearised, damping: float) -> tuple[Linearised, float, float]:
    """One step in A and B; returns the new point, the step size (0 if none was accepted) and the next damping."""
    first, second = (_blocks(pairs, target, at, side) for side, target in enumerate(masses))
    wrong = [np.where(t > 0, t - x, 0.0) for t, x in zip(masses, (at.rows, at.columns), strict=True)]
    most = [
        np.minimum(LARGEST_STEP, _log(cap) - _log(x)) for cap, x in zip(caps(at), (at.first, at.second), strict=True)
    ]
    for attempt in range(8):
        inverse = first.inverse / (1 + damping)
        z = _conjugate_gradients(pairs, at, second, inverse, wrong, damping, masses[1] > 0)
        u = _apply(inverse, wrong[0] - np.where(masses[0] > 0, _cross(pairs, at, z), 0.0))
        u, z = np.clip(u, -LARGEST_STEP, most[0]), np.clip(z, -LARGEST_STEP, most[1])
        slope = float((masses[0] * u).sum() + (masses[1] * z).sum())
        expected = float((wrong[0] * u).sum() + (wrong[1] * z).sum())
        for size in (1.0, 0.3):
            new = pairs.linearise(at.first * np.exp(size * u), at.second * np.exp(size * z), at.p, at)
            gain = size * slope - (new.total - at.total) / at.p
            if gain >= 1e-4 * size * expected - ROUNDING:
                if size < 1:
                    return new, size * 0.99**attempt, max(2 * damping, 0.02)
                return new, 0.99**attempt, damping / 8 if damping > 1e-3 else damping
        damping = max(5 * damping, 0.05)
    return at, 0.0, damping


def _conjugate_gradients(
    pairs: Pairs,
    at: Linearised,
    second: Blocks,
    inverse: Float[np.ndarray, "n1 k k"],
    wrong: list[Float[np.ndarray, "_ k"]],
    damping: float,
    present: Bool[np.ndarray, "n2 k"],
) -> Float[np.ndarray, "n2 k"]:
    """The step of log B from the Schur complement."""
    reduced = partial(_reduced, pairs, at, inverse, present)
    rest = wrong[1] - reduced(wrong[0])
    z = np.zeros_like(rest)
    direction = scaled = _apply(second.inverse, rest)
    norm = first_norm = float((rest * scaled).sum())
    for _ in range(CG_STEPS):
        if norm <= CG_TOLERANCE**2 * first_norm:
            break
        image = (1 + damping) * _apply(second.hessian, direction) * present - reduced(_cross(pairs, at, direction))
        bend = float((direction * image).sum())
        if not bend > 0:
            break
        z = z + norm / bend * direction
        rest = rest - norm / bend * image
        scaled = _apply(second.inverse, rest)
        norm, last = float((rest * scaled).sum()), norm
        direction = scaled + norm / last * direction
    return z


def _reduced(
    pairs: Pairs,
    at: Linearised,
    inverse: Float[np.ndarray, "n1 k k"],
    present: Bool[np.ndarray, "n2 k"],
    u: Float[np.ndarray, "n1 k"],
) -> Float[np.ndarray, "n2 k"]:
    """What the rows contribute to the columns of the Schur complement."""
    return np.where(present, _cross_back(pairs, at, _apply(inverse, u)), 0.0)


def _cross(pairs: Pairs, at: Linearised, z: Float[np.ndarray, "n2 k"]) -> Float[np.ndarray, "n1 k"]:
    """Change of `rows` when log B moves by z."""
    moved = at.second * pairs.v[:, None] * z.astype(at.second.dtype)
    change = pairs.weighted(at.powers, at.first, moved, at.second)
    return at.first * pairs.w[:, None] * ((at.p - 1) * change + at.powers @ moved)


def _cross_back(pairs: Pairs, at: Linearised, u: Float[np.ndarray, "n1 k"]) -> Float[np.ndarray, "n2 k"]:
    """Change of `columns` when log A moves by u: the transpose of `_cross`."""
    moved = at.first * pairs.w[:, None] * u.astype(at.first.dtype)
    change = pairs.weighted_back(at.powers, moved, at.second, at.first)
    return at.second * pairs.v[:, None] * ((at.p - 1) * change + at.powers.T @ moved)


def _blocks(pairs: Pairs, target: Float[np.ndarray, "n k"], at: Linearised, side: int, exact: bool = False) -> Blocks:
    """diag(x_i) + (p - 1) a_i a_iᵀ ∘ Σ_j T_ij b_j b_jᵀ for every row."""
    sides = ((at.first, pairs.w, at.powers), (at.second, pairs.v, at.powers.T))
    (own, weight, powers), (other, other_weight, _) = sides[side], sides[1 - side]
    options = own.shape[1]
    rows, columns, place = _upper_triangle(options)
    factors = np.concatenate([other, other[:, rows] * other[:, columns]], axis=1) * other_weight[:, None]
    sums = powers @ factors * weight[:, None]
    x = (at.rows, at.columns)[side] if exact else np.maximum(own * sums[:, :options], target)
    # From here on the rows are the last axis, along which numpy is fast.
    inner, turned = np.ascontiguousarray(sums[:, options:].T, np.float64), np.ascontiguousarray(own.T, np.float64)
    inner *= turned[rows]
    inner *= turned[columns]
    inner *= at.p - 1
    hessian = inner[place]
    diagonal = np.arange(options)
    hessian[diagonal, diagonal] += np.where(target > 0, x + TINY, 1.0).T
    scale = 1 / np.sqrt(hessian[diagonal, diagonal])
    scales = scale[:, None] * scale
    inverse = hessian * scales
    inverse[diagonal, diagonal] += 1e-9
    _invert(inverse)
    inverse *= scales
    return Blocks(*(np.ascontiguousarray(matrices.transpose(2, 0, 1)) for matrices in (hessian, inverse)))


def _invert(matrices: Float[np.ndarray, "k k n"]) -> None:
    """Invert positive definite matrices in place by Gauss-Jordan elimination, all at once; they need no pivoting."""
    for i in range(len(matrices)):
        pivot = 1 / matrices[i, i]
        column = matrices[:, i].copy()
        row = matrices[i] * pivot
        matrices -= column[:, None] * row
        matrices[i] = row
        np.multiply(column, -pivot, out=matrices[:, i])
        matrices[i, i] = pivot


@cache
def _upper_triangle(
    options: int,
) -> tuple[Int[np.ndarray, " e"], Int[np.ndarray, " e"], Int[np.ndarray, "{options} {options}"]]:
    """Rows and columns of the entries of the upper triangle, and each entry's place among them."""
    rows, columns = np.triu_indices(options)
    place = np.empty((options, options), np.int64)
    place[rows, columns] = place[columns, rows] = np.arange(len(rows))
    return rows, columns, place


def _rescaled(pairs: Pairs, masses: Masses, at: Linearised) -> Linearised:
    """Rows, then columns, scaled to their masses if they are off by more than a factor of 2."""
    for turn in range(24):
        side = turn % 2
        factor = masses[side].sum(1) / np.maximum((at.rows, at.columns)[side].sum(1), TINY)
        bad = (factor < 0.5) | (factor > 2)
        if not bad.any():
            if side == 1:
                break
            continue
        factor = np.where(bad, np.clip(factor ** (1 / at.p), 0.5, 2.0), 1.0)[:, None]
        moved = _with_side(at, side, (at.first, at.second)[side] * factor)
        at = pairs.linearise(*moved, at.p, None)
    return at


def caps(at: Linearised) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Bounds that entries of A and B cannot exceed by much, since a_iy b_jy ≤ S_ij ≤ 1."""
    return 1.2 / np.maximum(at.second.max(0), TINY), 1.2 / np.maximum(at.first.max(0), TINY)


def _residual(masses: Masses, at: Linearised) -> float:
    return float(sum(np.abs(t - x).sum() for t, x in zip(masses, (at.rows, at.columns), strict=True))) / 2


def _apply(matrices: Float[np.ndarray, "n k k"], vectors: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    return np.einsum("nij,nj->ni", matrices, vectors)


def _log(x: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    return np.log(np.maximum(x, TINY))
