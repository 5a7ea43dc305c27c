"""The coupling as one function for notebooks: settings by name, defaults as in an estimate."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Bool, Float

from pid_jax.config import FitSettings
from pid_jax.estimators.batch.sinkhorn import Coupling, Stop, couple


def project(
    logits: Float[Any, "k n n"],
    p_y_x1: Float[Any, "n k"],
    p_y_x2: Float[Any, "n k"],
    mask: Bool[Any, " n"],
    threshold: float = FitSettings.sinkhorn_threshold,
    sweeps: int = FitSettings.sinkhorn_sweeps,
) -> Coupling:
    """The coupling of one batch, of numpy or jax arrays: exp(logits) projected onto the conditionals, option by option.

    Args:
        logits: scores of all pairs, from `log_kernel` or anything else.
        p_y_x1: conditionals of source 1.
        p_y_x2: conditionals of source 2, for the same rows.
        mask: False on rows that are padding.
        threshold: L1 error of a marginal of mass 1 at which Sinkhorn stops.
        sweeps: largest number of sweeps.

    Returns:
        `q` (k, a, b): q(x2_b | x1_a, y_k), rows sum to 1; `error` (k,): L1 error of the marginal over x2.
    """
    logits, p_y_x1, p_y_x2 = (jnp.asarray(array, jnp.float32) for array in (logits, p_y_x1, p_y_x2))
    return couple(logits, p_y_x1, p_y_x2, jnp.asarray(mask), Stop(threshold, sweeps))
