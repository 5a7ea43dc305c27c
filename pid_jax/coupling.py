"""The coupling Q of BATCH: per option a Sinkhorn projection of exp(A) onto the two conditionals.

Published: rows p(y|x1), columns p(y|x2), which have different masses per option, so that the published loop never
converges. Here both are scaled to one common mass and Sinkhorn runs to convergence (docs/method.md says why the
loss is the same); ott-jax does the projection and differentiates it at the fixed point.
"""

import warnings
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from pid_jax.linear_solve import QuietNormalCG

with warnings.catch_warnings():
    # jaxopt, which ott-jax imports, announces its own retirement at import.
    warnings.simplefilter("ignore", DeprecationWarning)
    from ott.geometry.geometry import Geometry
    from ott.problems.linear.linear_problem import LinearProblem
    from ott.solvers.linear.implicit_differentiation import ImplicitDiff
    from ott.solvers.linear.sinkhorn import Sinkhorn

MARGINAL_FLOOR = 1e-8
"""Least marginal entry before normalising: an exact 0 makes the implicit gradient NaN."""

_SWEEPS_PER_CHECK = 10


class Coupling(NamedTuple):
    """`q` (k, a, b): q(x2_b | x1_a, y_k), rows sum to 1; `error` (k,): L1 error of the x2 marginal, mass 1."""

    q: Float[Array, "k a b"]
    error: Float[Array, " k"]


def log_kernel(e1: Float[Array, "a k e"], e2: Float[Array, "b k e"]) -> Float[Array, "k a b"]:
    """A[y, i, j] = ⟨f1(x1_i)[y], f2(x2_j)[y]⟩ / √e (paper, eq. 17), without units."""
    return jnp.einsum("ake,bke->kab", e1, e2) / jnp.sqrt(jnp.asarray(e1.shape[-1], e1.dtype))


def marginals(p: Float[Array, "n k"], mask: Bool[Array, " n"]) -> Float[Array, "k n"]:
    """Each option's column of p scaled to mass 1 over the real rows; padded rows get mass 0."""
    floored = jnp.where(mask[:, None], jnp.maximum(p, MARGINAL_FLOOR), 0.0)
    return (floored / floored.sum(axis=0, keepdims=True)).T


def make_sinkhorn(threshold: float, sweeps: int) -> Sinkhorn:
    """Sinkhorn in kernel mode, differentiated implicitly.

    Args:
        threshold: stop when the L1 error of a marginal of mass 1 is below it.
        sweeps: most sweeps over rows and columns.
    """
    solver_kwargs = {"nonsym_solver": QuietNormalCG, "rtol": 1e-6, "atol": 1e-6, "max_steps": 100}
    return Sinkhorn(
        lse_mode=False,
        threshold=threshold,
        inner_iterations=_SWEEPS_PER_CHECK,
        min_iterations=_SWEEPS_PER_CHECK,
        max_iterations=max(sweeps, _SWEEPS_PER_CHECK),
        implicit_diff=ImplicitDiff(solver_kwargs=solver_kwargs),
    )


def couple(
    logits: Float[Array, "k a b"],
    p_y_x1: Float[Array, "a k"],
    p_y_x2: Float[Array, "b k"],
    mask: Bool[Array, " a"],
    sinkhorn: Sinkhorn,
) -> Coupling:
    """Project exp(logits) onto the conditionals, option by option (one vmapped axis).

    Only row-normalised couplings enter the loss, so the row scaling drops out: q is the softmax of the logits
    plus the column potential.
    """

    def project(a_logits: Array, rows: Array, columns: Array) -> Coupling:
        problem = LinearProblem(Geometry(cost_matrix=-a_logits, epsilon=1.0), rows, columns)
        potential = jnp.where(mask, sinkhorn(problem).g, -jnp.inf)
        q = jax.nn.softmax(a_logits + potential, axis=-1)
        error = jnp.abs(rows @ q - columns).sum()
        return Coupling(q, jax.lax.stop_gradient(error))

    return jax.vmap(project)(logits, marginals(p_y_x1, mask), marginals(p_y_x2, mask))
