"""BATCH's loss from the logits: value and gradient in few passes over the (k, a, b) matrices.

The loss is that of `pid_jax.information.coupling_loss`, without the 1e-8 inside its logarithms, whose first-order
effects cancel: Σ_y p1 q (1e-8/q) = Σ_y p1 1e-8 = m (1e-8/m), with m = Σ_y p1 q.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from pid_jax.estimators.batch.sinkhorn import (
    Columns,
    Pairs,
    Rows,
    Stop,
    column_potential,
    columns_of,
    marginals,
    rows_of,
)

_TINY = 1e-30
"""Replaces a mixture of 0 (padded columns) inside the logarithm."""


def objective(
    logits: Float[Array, "k n n"],
    p_y_x1: Float[Array, "n k"],
    p_y_x2: Float[Array, "n k"],
    mask: Bool[Array, " n"],
    stop: Stop,
) -> tuple[Float[Array, ""], Float[Array, " k"]]:
    """Loss in nats of the coupling given by the logits, and the marginal error (k,) of each option's Sinkhorn."""
    potential = column_potential(logits, marginals(p_y_x1, mask), marginals(p_y_x2, mask), mask, stop)
    weights = jnp.where(mask[:, None], p_y_x1, 0.0).T / mask.sum()
    return potential_loss(logits, potential.g, weights, mask), jax.lax.stop_gradient(potential.error)


@jax.custom_vjp
def potential_loss(logits: Pairs, g: Columns, weights: Rows, mask: Bool[Array, " b"]) -> Float[Array, ""]:
    """Loss in nats of q = softmax(logits + g) over the real columns.

    Σ_y Σ_ij w_yi q_yij (log q_yij - log m_ij), m_ij = Σ_y n w_yi q_yij. Gradients reach `logits` and `g` only.

    Args:
        logits: A.
        g: column potential.
        weights: w, that is p(y|x1_i) / n, 0 for padded rows.
        mask: the real columns.
    """
    return _loss_fwd(logits, g, weights, mask)[0]


def _loss_fwd(
    logits: Pairs, g: Columns, weights: Rows, mask: Bool[Array, " b"]
) -> tuple[Float[Array, ""], tuple[Pairs, Pairs, Rows, Rows, Columns]]:
    kernel = jnp.exp(logits)  # the same expression as in column_potential: XLA computes it once
    v = jnp.where(mask, jnp.exp(g), 0.0)
    w = 1 / rows_of(kernel, v)
    scaled = weights * w
    total = mask.sum()
    # An explicit sum: XLA's reduction over the leading axis is twenty times slower on a CPU.
    mixture = sum(scaled[y][:, None] * v[y] * kernel[y] for y in range(len(kernel)))
    log_mixture = jnp.log(jnp.maximum(mixture * total, _TINY))
    weighted = kernel * (logits + g[:, None, :] - log_mixture)
    by_row = scaled * rows_of(weighted, v)
    loss = by_row.sum() + jnp.where(weights > 0, weights * jnp.log(w), 0.0).sum()
    return loss, (kernel, weighted, scaled, by_row * w, v)


def _loss_bwd(
    saved: tuple[Pairs, Pairs, Rows, Rows, Columns], slope: Float[Array, ""]
) -> tuple[Pairs, Columns, None, None]:
    """dL/dlogits = q (G - Σ_j q G), q G = diag(scaled) weighted diag(v); constants along a row drop out."""
    kernel, weighted, scaled, by_row, v = saved
    slope_logits = (scaled[:, :, None] * weighted - by_row[:, :, None] * kernel) * v[:, None, :]
    slope_g = v * (columns_of(weighted, scaled) - columns_of(kernel, by_row))
    return slope * slope_logits, slope * slope_g, None, None


potential_loss.defvjp(_loss_fwd, _loss_bwd)
