"""Redundancy by other definitions from the same reconciled rows, to see which conclusions depend on BROJA's.

Like BROJA's R, both depend only on p(y|x1) and p(y|x2), and both are at least as large: among such measures without
negative atoms, BROJA's redundancy is the smallest (Bertschinger et al., 2014, lemma 3), and R ≤ I_min ≤ min(I1, I2).
The other atoms follow from a redundancy: U1 = I1 - R, U2 = I2 - R, S = I12 - I1 - I2 + R.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from pid_jax.estimators.exact.problem import ExactProblem
from pid_jax.estimators.exact.rows import Reconciled
from pid_jax.information import Nats, bits_from_nats


class OtherRedundancies(NamedTuple):
    """Redundancy by other definitions, nats unless stated.

    Attributes:
        mmi: min(I(X1;Y), I(X2;Y)), the minimal mutual information (Barrett, 2015).
        imin: Williams and Beer's I_min (2010): Σ_y P(y) min_i I(X_i; Y=y).
    """

    mmi: Nats
    imin: Nats

    def in_bits(self) -> "OtherRedundancies":
        """The same in bits."""
        return OtherRedundancies(*map(bits_from_nats, self))


def other_redundancies(strata: Iterable[tuple[float, ExactProblem]]) -> OtherRedundancies:
    """Averages over the strata, nats; of one problem: `other_redundancies([(1.0, problem)])`.

    Args:
        strata: mass and reconciled problem of each stratum, as yielded by a `StratifiedProblem`.
    """
    mmi = imin = 0.0
    for mass, problem in strata:
        by_label = np.stack([specific_information(source) for source in problem.sources])
        mmi += mass * float(by_label.sum(1).min())
        imin += mass * float(by_label.min(0).sum())
    return OtherRedundancies(mmi, imin)


def specific_information(source: Reconciled) -> Float[np.ndarray, " k"]:
    """P(y) Σ_x p(x|y) log(p(y|x) / P(y)) of every label, nats; the sum is I(X;Y)."""
    masses = source.weights[:, None] * source.p
    ratio = np.divide(source.p, masses.sum(0), out=np.ones_like(source.p), where=masses > 0)
    return (masses * np.log(ratio)).sum(0)
