"""Rows of conditionals to joint masses with one P(Y): reconciled, equal rows merged, padded to a common shape."""

from typing import Any, Final, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

Marginals: TypeAlias = Literal["tilt", "rescale", "as-given"]

DIGITS: Final = 12
"""Rows that agree to this many digits are merged: far below every tolerance."""

NEWTON_STEPS: Final = 40
"""Maximum Newton steps of the tilt."""

TILTED: Final = 1e-14
"""The tilt ends at this difference between a source's mean and P(Y), summed over the labels."""

STEP_SIZES: Final = 12
"""Step sizes tried in one Newton step of the tilt, each half of the previous one."""

SHAPES: Final = 32
"""Numbers of rows are padded to a multiple of an eighth of the next power of two, or of this if it is larger, to
compile few shapes."""


class MergedRows(NamedTuple):
    """Distinct rows of one source.

    Attributes:
        masses: joint masses of the row and the label; they sum to 1.
        inverse: index of each original row among them.
    """

    masses: Float[np.ndarray, "m k"]
    inverse: Int[np.ndarray, " n"]


class Reconciled(NamedTuple):
    """Conditionals whose mean is a given P(Y), and the remaining difference.

    Attributes:
        p: conditionals.
        weights: weights of the rows; only `rescale` changes them.
        residual: total variation between their mean and the target; above 1e-9 the target cannot be reached.
    """

    p: Float[np.ndarray, "n k"]
    weights: Float[np.ndarray, " n"]
    residual: float


def reconcile(
    p: Float[np.ndarray, "n k"], weights: Float[np.ndarray, " n"], target: Float[np.ndarray, " k"], how: Marginals
) -> Reconciled:
    """Conditionals with the mean `target`.

    Args:
        p: conditionals, float64.
        weights: weights of the rows; they sum to 1.
        target: P(Y).
        how: `tilt` changes every row by the smallest mean KL(p' ‖ p), p' ∝ p exp(θ_y); `rescale` multiplies the joint
            masses of every label by one factor, which changes the rows' weights; `as-given` changes nothing.
    """
    if how == "tilt":
        more = padded_size(len(p)) - len(p)
        padded = np.pad(p, ((0, more), (0, 0)), constant_values=1 / p.shape[1]), np.pad(weights, (0, more))
        with jax.enable_x64(True):
            p = np.asarray(_tilt(*map(jnp.asarray, (*padded, target))))[: len(p)]
    elif how == "rescale":
        found = weights @ p
        masses = weights[:, None] * p * np.divide(target, found, out=np.zeros_like(found), where=found > 0)
        total = masses.sum(1)
        p = np.divide(masses, total[:, None], out=p.copy(), where=total[:, None] > 0)
        weights = total / total.sum()
    return Reconciled(p, weights, float(np.abs(weights @ p - target).sum() / 2))


@jax.jit
def _tilt(p: Float[Array, "n k"], weights: Float[Array, " n"], target: Float[Array, " k"]) -> Float[Array, "n k"]:
    """Newton's method on the concave dual ⟨θ, target⟩ - Σ_i w_i log Σ_y p_iy exp(θ_y)."""
    options = p.shape[1]

    def tilted(theta: Float[Array, " k"]) -> Float[Array, "n k"]:
        q = p * jnp.exp(theta - theta.max())
        return q / q.sum(1, keepdims=True)

    def value(theta: Float[Array, " k"]) -> Float[Array, ""]:
        most = theta.max()
        return theta @ target - most - weights @ jnp.log((p * jnp.exp(theta - most)).sum(1))

    def step(carry: Any) -> Any:
        count, theta, q, mean = carry
        hessian = jnp.diag(mean) - (q * weights[:, None]).T @ q + 1e-10 * jnp.eye(options)
        direction = jnp.linalg.solve(hessian, target - mean)
        direction = direction - direction.mean()
        direction = direction * jnp.minimum(1.0, 3.0 / jnp.maximum(jnp.abs(direction).max(), 1e-300))
        sizes = 0.5 ** jnp.arange(STEP_SIZES)
        better = jax.vmap(lambda size: value(theta + size * direction))(sizes) >= value(theta) - 1e-15
        return at(count + 1, theta + jnp.where(better.any(), sizes[jnp.argmax(better)], 0.0) * direction)

    def at(count: Any, theta: Float[Array, " k"]) -> Any:
        q = tilted(theta)
        return count, theta, q, weights @ q

    def going(carry: Any) -> Any:
        return (carry[0] < NEWTON_STEPS) & (jnp.abs(target - carry[3]).sum() > TILTED)

    return jax.lax.while_loop(going, step, at(0, jnp.zeros(options)))[2]


def merge_rows(p: Float[np.ndarray, "n k"], weights: Float[np.ndarray, " n"]) -> MergedRows:
    """Merge equal rows, summing their masses: the optimum depends on nothing else."""
    _, inverse = np.unique(np.round(p, DIGITS), axis=0, return_inverse=True)
    inverse = inverse.ravel()
    masses = [np.bincount(inverse, weights * column) for column in p.T]
    return MergedRows(np.stack(masses, axis=1), inverse)


def padded_size(rows: int) -> int:
    """The size that a number of rows is padded to.

    Example:
        >>> [padded_size(rows) for rows in (2, 33, 1000, 1083)]
        [32, 64, 1024, 1280]
    """
    step = max(SHAPES, 2 ** max(rows - 1, 1).bit_length() // 8)
    return -(-rows // step) * step


def pad_rows(masses: Float[np.ndarray, "m k"], size: int) -> Float[np.ndarray, "s k"]:
    """Rows of mass 0 added up to `size`."""
    return np.pad(masses, ((0, size - len(masses)), (0, 0)))
