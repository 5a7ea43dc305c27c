"""From log-likelihoods to the conditionals p(y | source), on the host and for all layers at once (paper, eq. 5)."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from pid_jax.config import Fallback

PAPER_LETTERS = 4


class OptionProbabilities(NamedTuple):
    """`p`: rows that sum to 1 over the item's options; `uniform`: rows that fell back to uniform."""

    p: Float[np.ndarray, "n *l k"]
    uniform: Bool[np.ndarray, " n *l"]


def option_probabilities(
    loglik: Float[np.ndarray, "n *l k"], num_options: Int[np.ndarray, " n"], tau: float, fallback: Fallback = "real"
) -> OptionProbabilities:
    """Normalise option scores; rows with little total probability of the options become uniform (paper, eq. 5).

    Args:
        loglik: mean token log-likelihood over the full vocabulary, nats; -inf: no such option.
        num_options: actual number of options of each item.
        tau: least total probability of the options for a row to be trusted.
        fallback: uniform over the item's `real` options, or always over `four` letters (like the published MMBench
            script).

    Returns:
        float32 probabilities in the shape of `loglik`, and where the fallback was used. An option that an item lacks
        has probability 0, except under the fallback `four`.
    """
    scores = np.exp(loglik.astype(np.float64))
    total = scores.sum(axis=-1, keepdims=True)
    counts = num_options.reshape(-1, *[1] * (loglik.ndim - 1))
    uniform = (total < tau) | (total == 0)
    positions = np.arange(loglik.shape[-1])
    reach = counts if fallback == "real" else np.maximum(counts, min(PAPER_LETTERS, loglik.shape[-1]))
    flat = (positions < reach) / reach
    normalised = scores / np.where(total == 0, 1.0, total)
    return OptionProbabilities(np.where(uniform, flat, normalised).astype(np.float32), uniform[..., 0])


def best_option(loglik: Float[np.ndarray, "*n k"]) -> Int[np.ndarray, "*n"]:
    """Index of the option with the largest log-likelihood; for accuracy only."""
    return loglik.argmax(axis=-1)
