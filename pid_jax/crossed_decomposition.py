"""Decompose your own crossed pairs: every picture with the questions of several items, one joint distribution."""

from dataclasses import dataclass, field
from typing import cast, get_args

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from pid_jax.arguments import as_array, check_name, check_size, numbers, probabilities
from pid_jax.estimators.exact.crossed.estimates import (
    CrossedGiven,
    CrossedInterval,
    CrossedItems,
    CrossedPoint,
    atoms_in_bits,
    curve_over_pairs,
    estimate_crossed,
)
from pid_jax.estimators.exact.crossed.pairs import CrossedPairs
from pid_jax.exact_arguments import check_tolerance
from pid_jax.information import AtomsInBits
from pid_jax.setting import ArgumentError
from pid_lvlm.data.bounds import SAMPLES
from pid_lvlm.data.names import NATS_PER_BIT


@dataclass(frozen=True)
class CrossedDecomposition:
    """Atoms of crossed pairs in bits, certified as measured; redundancy and synergy are never negative.

    Attributes:
        low: lower bounds on the atoms of these pairs, not corrected.
        high: upper bounds.
        i1_bits: I(X1;Y) of these pairs.
        i2_bits: I(X2;Y).
        i12_bits: I(X1,X2;Y).
        gap_bits: width of the certified interval on I_q.
        pairs: questions per picture, M.
        items: atoms corrected for their bias in 1/M, with an interval over items, or None.
        tol_bits: the requested width of the certified interval.
        given: the pairs.
    """

    low: AtomsInBits
    high: AtomsInBits
    i1_bits: float
    i2_bits: float
    i12_bits: float
    gap_bits: float
    pairs: int
    items: CrossedItems | None
    tol_bits: float
    given: CrossedGiven = field(repr=False)

    @property
    def middle(self) -> AtomsInBits:
        """Midpoints of the certified intervals, bits, not corrected; they add up to I(X1,X2;Y)."""
        return AtomsInBits(*((a + b) / 2 for a, b in zip(self.low, self.high, strict=True)))

    def curve(self) -> list[CrossedPoint]:
        """Atoms with 2, 4, 8, … and all questions per picture, not corrected, bits."""
        return curve_over_pairs(self.given, self.tol_bits)


def crossed(
    p_pairs: ArrayLike,
    partner: ArrayLike,
    *,
    tol_bits: float = 1e-3,
    strata: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    interval: str = "items",
) -> CrossedDecomposition:
    """Split I(X1,X2;Y) of a model under independent pictures and questions.

    Picture i is paired with the questions of M items, all pairs with equal weight. Their means over questions and over
    pictures are true marginals of one joint distribution, so nothing has to be reconciled (`docs/method.md`, crossed
    pairs).

    Args:
        p_pairs: (n, M, k) p(y | picture i, question partner[i, m]); rows over the options sum to 1, with 0 for options
        that the question lacks.
        partner: (n, M) integers from 0 to n - 1: the items that the questions come from.
        tol_bits: maximum width of the certified intervals, bits.
        strata: (n,) integers, such as the number of options of each question; the atoms are then conditional on them.
        groups: (n,) the group of each item, such as its picture; items of a group are not independent.
        interval: `items` corrects the bias of few questions per picture and adds an interval over items,
            `items-uncorrected` only adds the interval, `none` neither.

    Raises:
        ArgumentError: shapes differ, a row does not sum to 1, or an item in `partner` does not exist.

    Example:
        The picture shows a number, the question asks for its sum with another, modulo 4: pure synergy.

        >>> import numpy as np
        >>> import pid_jax
        >>> number, other = np.divmod(np.arange(64) % 16, 4)
        >>> partner = (np.arange(64)[:, None] + np.arange(16)) % 64
        >>> answers = np.eye(4)[(number[:, None] + other[partner]) % 4]
        >>> pid_jax.crossed(answers, partner).middle.synergy > 1.99
        True
    """
    check_tolerance(tol_bits)
    check_name("interval", interval, get_args(CrossedInterval))
    pairs = _pairs(p_pairs, partner)
    n = len(pairs.partner)
    labels = None if strata is None else _integers("strata", strata, n)
    own = np.arange(n) if groups is None else _numbered(groups, n)
    given = CrossedGiven(pairs, labels, own)
    ((solution, items),) = estimate_crossed([given], tol_bits=tol_bits, method=cast(CrossedInterval, interval))
    ends = [atoms_in_bits(np.array([*solution.terms[:3], iq])) for iq in (solution.low, solution.high)]
    return CrossedDecomposition(
        low=AtomsInBits(*map(min, *ends)),
        high=AtomsInBits(*map(max, *ends)),
        i1_bits=solution.i1 / NATS_PER_BIT,
        i2_bits=solution.i2 / NATS_PER_BIT,
        i12_bits=solution.i12 / NATS_PER_BIT,
        gap_bits=(solution.high - solution.low) / NATS_PER_BIT,
        pairs=pairs.partner.shape[1],
        items=items,
        tol_bits=tol_bits,
        given=given,
    )


def _pairs(p_pairs: ArrayLike, partner: ArrayLike) -> CrossedPairs:
    p = numbers("p_pairs", p_pairs, "(n, M, k)", np.float64)
    if p.ndim != 3 or 0 in p.shape or p.shape[2] < 2:
        raise ArgumentError("p_pairs", f"expected shape (n, M, k) with at least 2 options, found {p.shape}")
    check_size("p_pairs", len(p), SAMPLES)
    flat: Float[np.ndarray, "p k"] = probabilities("p_pairs", p.reshape(-1, p.shape[2]), np.float64)
    whose = as_array("partner", partner, f"{p.shape[:2]} integers")
    if whose.shape != p.shape[:2] or whose.dtype.kind not in "iu":
        raise ArgumentError("partner", f"expected integers of shape {p.shape[:2]}, found {whose.dtype} {whose.shape}")
    if whose.min() < 0 or whose.max() >= len(p):
        raise ArgumentError("partner", f"expected items from 0 to {len(p) - 1}, found {whose.min()} to {whose.max()}")
    return CrossedPairs((flat / flat.sum(1, keepdims=True)).reshape(p.shape), whose.astype(np.int64))


def _integers(name: str, values: ArrayLike, n: int) -> Int[np.ndarray, " n"]:
    array = as_array(name, values, f"({n},) integers")
    if array.shape != (n,) or array.dtype.kind not in "iu":
        raise ArgumentError(name, f"expected {n} integers, found {array.dtype} of shape {array.shape}")
    return array.astype(np.int64)


def _numbered(groups: ArrayLike, n: int) -> Int[np.ndarray, " n"]:
    array = as_array("groups", groups, f"an array of shape ({n},)")
    if array.shape != (n,):
        raise ArgumentError("groups", f"expected one group for each of {n} items, found shape {array.shape}")
    return np.unique(array, return_inverse=True)[1].ravel().astype(np.int64)
