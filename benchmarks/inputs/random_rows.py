"""Random problems whose three conditions agree on P(Y), over sharpness, number of options and number of rows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pid_jax.estimators.exact.rows import reconcile

AGREEMENT: Final = 0.5
"""Share of variance that both sources' logits have in common."""


@dataclass(frozen=True)
class Kind:
    """A kind of random problem.

    Attributes:
        sharpness: standard deviation of the logits: 0.3 is nearly uniform, 8 nearly one-hot.
        uniform: share of the rows of each source that are uniform.
        missing: whether items have 2 to K options.
    """

    sharpness: float = 2.0
    uniform: float = 0.0
    missing: bool = False


PLAIN: Final = Kind()
KINDS: Final[Mapping[str, Kind]] = {
    "flat": replace(PLAIN, sharpness=0.3),
    "plain": PLAIN,
    "sharp": replace(PLAIN, sharpness=8.0),
    "half uniform": replace(PLAIN, sharpness=4.0, uniform=0.5),
    "missing options": replace(PLAIN, sharpness=3.0, missing=True),
}


@dataclass(frozen=True)
class RandomRows:
    """Conditionals of equally likely rows with the same mean: p(y|x1), p(y|x2), p(y|x1,x2), each (n, k)."""

    p_y_x1: NDArray
    p_y_x2: NDArray
    p_y_x1x2: NDArray


def draw_rows(kind: Kind, rows: int, options: int, seed: int) -> RandomRows:
    """Draw a problem; both sources are tilted to the P(Y) of the pairs, and redrawn if that is out of reach."""
    rng = np.random.default_rng(seed)
    shared, *own = rng.normal(size=(3, rows, options))
    logits = [kind.sharpness * (np.sqrt(AGREEMENT) * shared + np.sqrt(1 - AGREEMENT) * each) for each in own]
    count = rng.integers(2, options + 1, rows) if kind.missing else np.full(rows, options)
    real = np.arange(options) < count[:, None]
    pairs, *sources = (_conditional(z, real) for z in (sum(logits), *logits))
    for source in sources:
        source[rng.random(rows) < kind.uniform] = 1 / options
    weights = np.full(rows, 1 / rows)
    target = weights @ pairs
    first, second = (reconcile(source, weights, target, "tilt") for source in sources)
    if max(first.residual, second.residual) > 1e-9:
        return draw_rows(kind, rows, options, seed + 10_000)
    return RandomRows(first.p, second.p, pairs)


def _conditional(logits: NDArray, real: NDArray) -> NDArray:
    z = np.where(real, logits, -np.inf)
    p = np.exp(z - z.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)
