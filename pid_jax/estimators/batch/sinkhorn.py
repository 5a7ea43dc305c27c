"""The coupling Q of BATCH: per option a Sinkhorn projection of exp(A) onto the two conditionals.

As published, rows p(y|x1) and columns p(y|x2) have different masses per option, and the loop never converges. Here both
are scaled to a common mass and Sinkhorn runs to convergence (docs/method.md explains why the loss is the same). ott-jax
does the projection, but it is differentiated at the fixed point by our own code: ott-jax's implicit gradient costs
several times as much (docs/performance.md).

With u, v the scalings of the converged coupling diag(u) K diag(v), K = exp(A), and r, c its marginals, the rows of
q = diag(u/r) K diag(v) sum to 1. Only q enters the loss, so only the column potential g = log v is kept. It satisfies
the column constraints, Σ_i r_i q_ij = c_j; differentiating that,

    S dg = -Σ_i r_i (dq_ij at fixed g),    S = diag(c) - qᵀ diag(r) q,

S is symmetric. Its null space holds only the constants, which do not matter: q does not depend on a constant in g. S +
c cᵀ has the same solutions up to a constant, and no null space; preconditioned by diag(c), its eigenvalues lie between
1 - s and 1, s the contraction of Sinkhorn's own sweeps. A few steps of conjugate gradients solve it.
"""

from functools import partial
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax.scipy.sparse.linalg import cg
from jaxtyping import Array, Bool, Float, Int

MARGINAL_FLOOR = 1e-8
"""Minimum marginal entry before normalising: an exact 0 makes the implicit gradient NaN."""

_CG_TOLERANCE = 1e-6
_CG_STEPS = 50

Pairs: TypeAlias = Float[Array, "k a b"]
Rows: TypeAlias = Float[Array, "k a"]
Columns: TypeAlias = Float[Array, "k b"]
"""For one batch: a value per option and pair of rows, per row of source 1, per row of source 2."""


class Coupling(NamedTuple):
    """`q` (k, a, b): q(x2_b | x1_a, y_k), rows sum to 1; `error` (k,): L1 error of the x2 marginal, mass 1."""

    q: Pairs
    error: Float[Array, " k"]


class Stop(NamedTuple):
    """When Sinkhorn ends: L1 error of the columns (mass 1) below `threshold`, or after `sweeps` sweeps."""

    threshold: float
    sweeps: int


class Potential(NamedTuple):
    """`g` (k, b): log v, 0 where padded; `error` (k,): L1 error of the x2 marginal of mass 1."""

    g: Columns
    error: Float[Array, " k"]


class _Scalings(NamedTuple):
    u: Rows
    v: Columns
    error: Float[Array, " k"]
    sweeps: Int[Array, ""]


@jax.custom_vjp
def log_kernel(e1: Float[Any, "a k e"], e2: Float[Any, "b k e"]) -> Pairs:
    """A[y, i, j] = ⟨f1(x1_i)[y], f2(x2_j)[y]⟩ / √e (paper, eq. 17), without units; of jax or numpy arrays."""
    return jnp.einsum("ake,bke->kab", e1, e2) / jnp.sqrt(jnp.asarray(e1.shape[-1], e1.dtype))


def _log_kernel_fwd(
    e1: Float[Any, "a k e"], e2: Float[Any, "b k e"]
) -> tuple[Pairs, tuple[Float[Any, "a k e"], Float[Any, "b k e"]]]:
    return log_kernel(e1, e2), (e1, e2)


def _log_kernel_bwd(
    embeddings: tuple[Float[Any, "a k e"], Float[Any, "b k e"]], slope: Pairs
) -> tuple[Float[Array, "a k e"], Float[Array, "b k e"]]:
    """Written out because jax transposes the large matrix for the second product, five times slower on a CPU."""
    e1, e2 = embeddings
    scale = 1 / jnp.sqrt(jnp.asarray(e1.shape[-1], e1.dtype))
    d1 = jnp.einsum("kab,kbe->kae", slope, e2.swapaxes(0, 1) * scale)
    d2 = jnp.einsum("kea,kab->keb", e1.transpose(1, 2, 0) * scale, slope)
    return d1.swapaxes(0, 1), d2.transpose(2, 0, 1)


log_kernel.defvjp(_log_kernel_fwd, _log_kernel_bwd)


def marginals(p: Float[Array, "n k"], mask: Bool[Array, " n"]) -> Float[Array, "k n"]:
    """Each option's column of p scaled to mass 1 over the real rows; padded rows get mass 0."""
    floored = jnp.where(mask[:, None], jnp.maximum(p, MARGINAL_FLOOR), 0.0)
    return (floored / floored.sum(axis=0, keepdims=True)).T


def rows_of(kernel: Pairs, values: Columns) -> Rows:
    """Kernel times a vector, option by option."""
    return jnp.einsum("kab,kb->ka", kernel, values)


def columns_of(kernel: Pairs, values: Rows) -> Columns:
    """Transposed kernel times a vector, option by option."""
    return jnp.einsum("kab,ka->kb", kernel, values)


def _sinkhorn(kernel: Pairs, rows: Rows, columns: Columns, stop: Stop) -> _Scalings:
    """Sweeps of ott-jax, a few at a time, until every option has converged.

    Under vmap, ott-jax's own loop checks the error in every sweep, which takes a third of its time.
    """
    with jax.ensure_compile_time_eval():  # arrays made during the import stay outside the program
        from pid_jax.estimators.batch.ott_sweeps import SWEEPS, sweep  # noqa: PLC0415  a slow import

    def advance(state: _Scalings) -> _Scalings:
        u, v = jax.vmap(sweep)(kernel, rows, columns, state.u)
        error = jnp.abs(v * columns_of(kernel, u) - columns).sum(axis=-1)
        return _Scalings(u, v, error, state.sweeps + SWEEPS)

    def unfinished(state: _Scalings) -> Bool[Array, ""]:
        return (state.error >= stop.threshold).any() & (state.sweeps < stop.sweeps)

    # Starting with rows weighted by their marginals saves one sweep over starting from u = 1.
    start = _Scalings(rows, columns, jnp.full(len(rows), jnp.inf, rows.dtype), jnp.asarray(0))
    return jax.lax.while_loop(unfinished, advance, start)


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def column_potential(logits: Pairs, rows: Rows, columns: Columns, mask: Bool[Array, " b"], stop: Stop) -> Potential:
    """The column potential of the projection of exp(logits), with the gradient of the fixed point for `logits` only."""
    return _potential_fwd(logits, rows, columns, mask, stop)[0]


def _potential_fwd(
    logits: Pairs, rows: Rows, columns: Columns, mask: Bool[Array, " b"], stop: Stop
) -> tuple[Potential, tuple]:
    kernel = jnp.exp(logits)
    found = _sinkhorn(kernel, rows, columns, stop)
    g = jnp.where(mask, jnp.log(found.v), 0.0)
    # Use the column sums reached, not the targets: otherwise constants leave the null space of S.
    reached = found.v * columns_of(kernel, found.u)
    return Potential(g, found.error), (kernel, rows, reached, found.u, found.v, mask)


def _potential_bwd(stop: Stop, saved: tuple, slope: Potential) -> tuple[Pairs, None, None, None]:
    kernel, rows, reached, u, v, mask = saved
    w = jnp.where(rows > 0, u / jnp.where(rows > 0, rows, 1.0), 0.0)
    safe = jnp.where(mask, reached, 1.0)

    def mean_of(z: Columns) -> Rows:
        return w * rows_of(kernel, v * z)

    def schur(z: Columns) -> Columns:
        mean = (reached * z).sum(axis=-1, keepdims=True)
        return safe * z - v * columns_of(kernel, u * mean_of(z)) + reached * mean

    z, _ = cg(schur, slope.g, tol=_CG_TOLERANCE, maxiter=_CG_STEPS, M=lambda x: x / safe)
    across, along = u * mean_of(z), v * z
    slope_logits = kernel * (across[:, :, None] * v[:, None, :] - u[:, :, None] * along[:, None, :])
    return slope_logits, None, None, None


column_potential.defvjp(_potential_fwd, _potential_bwd)


def couple(
    logits: Float[Array, "k n n"],
    p_y_x1: Float[Array, "n k"],
    p_y_x2: Float[Array, "n k"],
    mask: Bool[Array, " n"],
    stop: Stop,
) -> Coupling:
    """Project exp(logits) onto the conditionals, option by option; both axes are the rows of one batch.

    Only row-normalised couplings enter the loss, so the row scaling drops out: q is the softmax of the logits
    plus the column potential.
    """
    potential = column_potential(logits, marginals(p_y_x1, mask), marginals(p_y_x2, mask), mask, stop)
    q = jax.nn.softmax(jnp.where(mask, logits + potential.g[:, None, :], -jnp.inf), axis=-1)
    return Coupling(q, jax.lax.stop_gradient(potential.error))
