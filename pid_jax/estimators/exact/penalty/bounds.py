"""Bounds on I_q in float64 that hold whatever the iterations did, and the coupling of the upper bound.

F(Q) = Σ Q log(Q / Σ_y Q) is sublinear and at most 0, so a coupling that lacks some mass bounds the complete one: the
missing part, a product per label, is never evaluated.
"""

from typing import Final, NamedTuple

import numpy as np
import scipy.sparse as sparse
from jaxtyping import Float

from pid_jax.estimators.exact.penalty.newton import TINY, Masses
from pid_jax.estimators.exact.penalty.pairs import Matrix, blocks, entries, multiply_by_values, row_of_entries

ROUNDING: Final = 1e-12
"""Nats by which the bounds are widened for rounding of float64 sums."""

SWEEPS: Final = 400
"""Maximum Sinkhorn sweeps per label."""

CLEANING: Final = 10
"""Steps of alternating minimisation before the sweeps."""


class DualPoint(NamedTuple):
    """A feasible A, B and its value, a lower bound in nats."""

    value: float
    first: Float[np.ndarray, "n1 k"]
    second: Float[np.ndarray, "n2 k"]


class Coupling(NamedTuple):
    """Q_ijy = kernel_ij first_iy second_jy, with marginals at most P and R, and F(Q) + H(Y), nats."""

    value: float
    kernel: Matrix
    first: Float[np.ndarray, "n1 k"]
    second: Float[np.ndarray, "n2 k"]


def entropy(masses: Float[np.ndarray, "n k"]) -> float:
    """H(Y), nats."""
    return -float(xlogx(masses.sum(0)).sum())


def information(masses: Float[np.ndarray, "n k"]) -> float:
    """I(X;Y) of joint masses, nats."""
    return float(xlogx(masses).sum() - xlogx(masses.sum(1)).sum() - xlogx(masses.sum(0)).sum())


def feasible_point(masses: Masses, first: Float[np.ndarray, "n1 k"], second: Float[np.ndarray, "n2 k"]) -> DualPoint:
    """A and B scaled so no pair exceeds 1: by rows, by columns, or by the roots of the rows and then by columns."""
    a, b = (
        np.where(target > 0, np.maximum(np.where(np.isfinite(x), x, TINY), TINY), 0.0)
        for target, x in zip(
            masses, (_completed(masses[0], first, second), _completed(masses[1], second, first)), strict=True
        )
    )
    w, v = (target.sum(1) for target in masses)
    rows, columns, scaled = np.empty(len(a)), np.full(len(b), TINY), np.full(len(b), TINY)
    transposed = np.ascontiguousarray(b.T)
    for part in blocks(len(a), len(b)):
        values = a[part] @ transposed
        rows[part] = most = np.maximum(values.max(1), TINY)
        np.maximum(columns, values.max(0), out=columns)
        values /= np.sqrt(most)[:, None]
        np.maximum(scaled, values.max(0), out=scaled)
    value = entropy(masses[0]) + sum(float(_xlogy(t, x).sum()) for t, x in zip(masses, (a, b), strict=True))
    choices = (
        (value - w @ np.log(rows), rows, np.ones_like(v)),
        (value - v @ np.log(columns), np.ones_like(w), columns),
        (value - w @ np.log(rows) / 2 - v @ np.log(scaled), np.sqrt(rows), scaled),
    )
    best, by_row, by_column = max(choices, key=lambda choice: choice[0])
    return DualPoint(float(best) - ROUNDING, a / by_row[:, None], b / by_column[:, None])


def coupling(
    masses: Masses, kernel: Matrix, first: Float[np.ndarray, "n1 k"], second: Float[np.ndarray, "n2 k"], missing: float
) -> Coupling:
    """A coupling from an approximate one.

    Args:
        masses: P and R.
        kernel: G; it is overwritten.
        first: A.
        second: B.
        missing: maximum total mass that its marginals may lack; less gives a better bound.
    """
    single = [target.astype(kernel.dtype) for target in masses]
    f, g = first.astype(kernel.dtype), second.astype(kernel.dtype)
    for _ in range(CLEANING):
        f = _ratio(single[0], kernel @ g)
        g = _ratio(single[1], kernel.T @ f)
        multiply_by_values(kernel, f, g)
    for _ in range(SWEEPS):
        sums = kernel @ g
        lacking = float(np.abs(single[0] - f * sums).sum())
        f = _ratio(single[0], sums)
        g = _ratio(single[1], kernel.T @ f)
        if lacking < missing:
            break
    f, g = f.astype(np.float64), g.astype(np.float64)
    f = f * _at_most_one(masses[0], f * _times(kernel, g))
    g = g * _at_most_one(masses[1], g * _times(kernel.T, f))
    value = entropy(masses[0]) + _value(kernel, f, g) + ROUNDING
    return Coupling(value if np.isfinite(value) else np.inf, kernel, f, g)


def joint(masses: Masses, found: Coupling) -> Float[np.ndarray, "n1 n2 k"]:
    """The complete coupling with marginals P and R, for checks on small problems."""
    kernel = found.kernel.toarray() if sparse.issparse(found.kernel) else found.kernel
    q = kernel.astype(np.float64)[:, :, None] * found.first[:, None] * found.second[None]
    left, right = np.maximum(masses[0] - q.sum(1), 0.0), np.maximum(masses[1] - q.sum(0), 0.0)
    return q + left[:, None] * right[None] / np.maximum(left.sum(0), 1e-300)


def _value(kernel: Matrix, f: Float[np.ndarray, "n1 k"], g: Float[np.ndarray, "n2 k"]) -> float:
    """F(Q): the factors' part of log Q is a sum over rows; kernel and total leave -log(f_i · g_j) for every pair."""
    value = float(_xlogy(f * _times(kernel, g), f).sum() + _xlogy(g * _times(kernel.T, f), g).sum())
    for part in blocks(*kernel.shape):
        block = kernel[part]
        if sparse.issparse(block):
            mass, total = block.data, entries(f[part], g, row_of_entries(block), block.indices)
        else:
            mass, total = block, f[part] @ g.T
        value -= float(np.vdot(mass.astype(np.float64), xlogx(total)))
    return value


def _times(kernel: Matrix, x: Float[np.ndarray, "m k"]) -> Float[np.ndarray, "n k"]:
    """The product in float64."""
    if sparse.issparse(kernel):
        return kernel.astype(np.float64) @ x
    out = np.empty((kernel.shape[0], x.shape[1]))
    for part in blocks(*kernel.shape):
        out[part] = kernel[part].astype(np.float64) @ x
    return out


def _completed(
    target: Float[np.ndarray, "n k"], own: Float[np.ndarray, "n k"], other: Float[np.ndarray, "m k"]
) -> Float[np.ndarray, "n k"]:
    """A small entry, adding at most 0.1 p_iy to any S, for labels with little mass that the iterations dropped."""
    small = 0.1 * target / target.sum(1, keepdims=True) / np.maximum(other.max(0), TINY)
    return np.where((target > 0) & (own <= 0), small, own)


def _at_most_one(wanted: Float[np.ndarray, "n k"], found: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    return np.minimum(1.0, np.divide(wanted, found, out=np.ones_like(wanted), where=found > 0))


def _ratio(x: Float[np.ndarray, "n k"], y: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    return np.where(x > 0, x / np.maximum(y, y.dtype.type(TINY)), y.dtype.type(0))


def xlogx(x: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Elementwise x log x, nats; 0 at 0."""
    return _xlogy(x, x)


def _xlogy(x: Float[np.ndarray, "*n"], y: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    return x * np.log(np.where(x > 0, y, 1.0))
