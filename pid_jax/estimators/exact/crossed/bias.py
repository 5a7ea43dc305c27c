"""The 1/M bias of crossed pairs, and information terms with most of it removed.

For a mean over M draws, H(p(y|x1_i)) is too small and I1 and I2 too large: by (K - 1) / (2 M ln 2) bits for certain
answers. Each row's entropy is corrected by a second-order jackknife over its own pairs (Quenouille, 1956),

    H = (M² H_all - 2 (M - 1)² mean H_without_one + (M - 2)² mean H_without_two) / 2,

which leaves an error of order M⁻³ without solving anything. The rest of I_q, V = I_q - (I1 + I2) / 2, is extrapolated
from the solutions of random halves of the M questions, V + (V - mean of the halves), and I_q is clamped to its valid
range from max(I1, I2) to min(I1 + I2, I12). I12 has no such bias.
"""

from collections.abc import Sequence
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from pid_jax.estimators.exact.crossed.pairs import CrossedSolution, CrossedStratum
from pid_jax.estimators.exact.penalty.bounds import xlogx

FEWEST_PAIRS: Final = 4
"""Minimum questions per picture for a correction: with fewer, halves would have one."""

SPLITS: Final = 4
"""Random splits of the M questions into halves."""

ROWS_AT_A_TIME: Final = 64
"""Rows whose pairs of pairs are in memory at once."""


def half_columns(pairs: int, seed: int) -> list[Int[np.ndarray, " c"]]:
    """Which of the M questions are in each half; none with fewer than `FEWEST_PAIRS`.

    Args:
        pairs: M.
        seed: seed of the splits, which depend on nothing else.
    """
    if pairs < FEWEST_PAIRS:
        return []
    rng = np.random.default_rng(np.random.SeedSequence([seed, pairs]))
    orders = [rng.permutation(pairs) for _ in range(SPLITS)]
    return [np.sort(part) for order in orders for part in (order[: pairs // 2], order[pairs // 2 :])]


def corrected_terms(whole: CrossedSolution, of_halves: Sequence[CrossedSolution]) -> Float[np.ndarray, " 4"]:
    """I1, I2, I12, I_q in nats with most of the 1/M bias removed; unchanged without halves.

    Args:
        whole: all pairs.
        of_halves: both halves of every split (`half_columns`).
    """
    if not of_halves:
        return whole.terms
    to_v = np.array([-0.5, -0.5, 0.0, 1.0])
    v = whole.terms @ to_v
    v += v - float(np.mean([half.terms @ to_v for half in of_halves]))
    masses = [stratum.mass for stratum in whole.strata]
    first, second = (
        float(np.dot(masses, [_information(stratum, side) for stratum in whole.strata])) for side in (0, 1)
    )
    coupling = min(max(v + (first + second) / 2, first, second), first + second, whole.i12)
    return np.array([first, second, whole.i12, coupling])


def _information(stratum: CrossedStratum, side: int) -> float:
    """I(X;Y) of one source of a stratum with jackknifed entropies of its rows, nats and at least 0."""
    problem = stratum.problem
    rows = problem.rows_of_pairs[side]
    order = np.argsort(rows, kind="stable")
    counts = np.bincount(rows, minlength=len(problem.sources[side].p))
    place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = (len(counts), int(counts.max()))
    p, known = np.zeros((*shape, problem.p_y_x1x2.shape[1])), np.zeros(shape, bool)
    p[rows[order], place], known[rows[order], place] = problem.p_y_x1x2[order], True
    with jax.enable_x64(True):
        entropies = np.asarray(_entropies(jnp.asarray(p), jnp.asarray(known)))
    p_y = problem.weights @ problem.p_y_x1x2
    return max(0.0, -float(xlogx(p_y).sum()) - float(counts @ entropies) / len(rows))


@jax.jit
def _entropies(p: Float[Array, "r m k"], known: Bool[Array, "r m"]) -> Float[Array, " r"]:
    return jax.lax.map(lambda row: _entropy_of_row(*row), (p, known), batch_size=ROWS_AT_A_TIME)


def _entropy_of_row(p: Float[Array, "m k"], known: Bool[Array, " m"]) -> Float[Array, ""]:
    """The jackknifed entropy of the mean of a row's pairs, nats; first order with two pairs, none with one."""
    count = known.sum()
    total = (p * known[:, None]).sum(0)
    one, two = np.triu_indices(p.shape[0], 1)
    both = known[one] & known[two]
    whole = _entropy(total / count)
    without_one = _mean(_entropy(_left(total - p, count - 1)), known)
    without_two = _mean(_entropy(_left(total - p[one] - p[two], count - 2)), both)
    first = count * whole - (count - 1) * without_one
    second = (count**2 * whole - 2 * (count - 1) ** 2 * without_one + (count - 2) ** 2 * without_two) / 2
    return jnp.where(count > 2, second, jnp.where(count > 1, first, whole))


def _left(total: Float[Array, "*n k"], count: Any) -> Float[Array, "*n k"]:
    return jnp.clip(total / jnp.maximum(count, 1), 0.0, 1.0)


def _entropy(p: Float[Array, "*n k"]) -> Float[Array, "*n"]:
    return -(p * jnp.log(jnp.where(p > 0, p, 1.0))).sum(-1)


def _mean(values: Float[Array, " n"], known: Bool[Array, " n"]) -> Float[Array, ""]:
    return jnp.where(known, values, 0.0).sum() / jnp.maximum(known.sum(), 1)
