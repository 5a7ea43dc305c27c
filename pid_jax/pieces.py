"""The coupling as one function for notebooks: settings by name, defaults as in an estimate."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from pid_jax.coupling import Coupling, Stop, couple
from pid_jax.fit import FitSettings


def project(
    logits: Float[Array, "k a b"],
    p_y_x1: Float[Array, "a k"],
    p_y_x2: Float[Array, "b k"],
    mask: Bool[Array, " a"],
    threshold: float = FitSettings.sinkhorn_threshold,
    sweeps: int = FitSettings.sinkhorn_sweeps,
) -> Coupling:
    """The coupling of one batch: exp(logits) projected onto the conditionals, option by option.

    Args:
        logits: scores of all pairs; `log_kernel` makes them from embeddings, but any will do.
        p_y_x1: conditionals of source 1.
        p_y_x2: conditionals of source 2, for the same rows.
        mask: False on rows that are padding.
        threshold: L1 error of a marginal of mass 1 at which Sinkhorn stops.
        sweeps: most sweeps.

    Returns:
        `q` (k, a, b): q(x2_b | x1_a, y_k), rows sum to 1; `error` (k,): L1 error of the marginal over x2.
    """
    logits, p_y_x1, p_y_x2 = (jnp.asarray(array, jnp.float32) for array in (logits, p_y_x1, p_y_x2))
    return couple(logits, p_y_x1, p_y_x2, jnp.asarray(mask), Stop(threshold, sweeps))
