"""Your own conditionals as a sample of items: differences on the same items, and curves over their number."""

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from pid_jax.arguments import as_array
from pid_jax.estimators.exact.over_items import curve
from pid_jax.estimators.exact.over_items.curve import RowsPoint
from pid_jax.estimators.exact.over_items.intervals import ItemInterval, paired_difference
from pid_jax.estimators.exact.rows import Marginals
from pid_jax.exact_arguments import reconciled_problem
from pid_jax.exact_decomposition import ExactDecomposition
from pid_jax.results.exact_outcome import ExactOutcome
from pid_jax.setting import SEED, ArgumentError, ArgumentTypeError, spell


def exact_difference(
    first: ExactDecomposition | ExactOutcome, second: ExactDecomposition | ExactOutcome
) -> ItemInterval:
    """Atoms of `first` minus those of `second`, with an interval over the items that both share.

    For two models, two layers or two checkpoints that answered the same items, in the same order. What makes an item
    hard for both cancels, so the interval is narrower than the two separate intervals suggest.

    Args:
        first: a result of `exact` with `interval=`, or of `estimate`, which passes it to `keep`.
        second: another result for the same items, with the same `interval`, weights and groups.

    Raises:
        ArgumentError: one of them has no interval over items, or their items differ. Only items of runs are compared by
            name, since arrays have no item names.

    Example:
        >>> import numpy as np
        >>> import pid_jax
        >>> answers = np.tile(np.arange(4), 8)
        >>> alone = np.full((32, 4), 1 / 4)
        >>> def model(certainty):
        ...     both = certainty * np.eye(4)[answers] + (1 - certainty) / 4
        ...     return pid_jax.exact(alone, alone, both, interval="items-uncorrected")
        >>> difference = pid_jax.exact_difference(model(0.9), model(0.5))
        >>> round(difference.estimate.synergy, 3)
        1.046
    """
    for name, found in (("first", first), ("second", second)):
        if not isinstance(found, ExactDecomposition | ExactOutcome):
            raise ArgumentTypeError(name, f"expected a result of exact or estimate, found a {type(found).__name__}")
        if found.items is None:
            raise ArgumentError(name, 'has no interval over items; ask for interval="items"')
    if isinstance(first, ExactOutcome) and isinstance(second, ExactOutcome):
        _check_same_items(first, second)
    assert first.items is not None
    assert second.items is not None
    return paired_difference(first.items, second.items)


def _check_same_items(first: ExactOutcome, second: ExactOutcome) -> None:
    if np.array_equal(first.sample_ids, second.sample_ids):
        return
    if set(first.sample_ids) == set(second.sample_ids):
        raise ArgumentError("second", "has the items of first in another order")
    shared = len(set(first.sample_ids) & set(second.sample_ids))
    found = f"found {len(second.sample_ids):,}, of which {shared:,} are the same"
    raise ArgumentError("second", f"expected the {len(first.sample_ids):,} items of first, {found}")


def curve_over_rows(
    p_y_x1: ArrayLike,
    p_y_x2: ArrayLike,
    p_y_x1x2: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    rows: Sequence[int] | None = None,
    groups: ArrayLike | None = None,
    tol_bits: float = 1e-3,
    marginals: str = "tilt",
    seed: int = 0,
) -> list[RowsPoint]:
    """Atoms of random parts of the items, by size.

    I_q falls with the number of items, so raw atoms of data sets of different size are not comparable. Compare
    corrected ones (`exact` with `interval="items"`), or points of two curves with the same `rows`.

    Args:
        p_y_x1: (n, k) p(y|x1_i), as for `exact`.
        p_y_x2: (n, k) p(y|x2_i).
        p_y_x1x2: (n, k) p(y|x1_i,x2_i).
        weights: (n,) weights of the rows; equal by default.
        rows: sizes of the parts; by default an eighth, a quarter, half and all of the items.
        groups: (n,) the group of each item; parts consist of whole groups.
        tol_bits: maximum width of the certified intervals, in bits.
        marginals: as for `exact`; every part is brought to its own P(Y).
        seed: seed of the random parts.

    Returns:
        One point per size: mean atoms of at most 8 disjoint parts, and their standard deviation.

    Raises:
        ArgumentError: as for `exact`; or a size or the seed is out of range, or there is not one group per item.

    Example:
        >>> import numpy as np
        >>> import pid_jax
        >>> rng = np.random.default_rng(0)
        >>> first, second = rng.dirichlet(np.ones(4), size=(2, 32))
        >>> both = first * second / (first * second).sum(1, keepdims=True)
        >>> [point.parts for point in pid_jax.curve_over_rows(first, second, both, rows=(8, 16, 32))]
        [4, 2, 1]
    """
    found = reconciled_problem(p_y_x1, p_y_x2, p_y_x1x2, weights, tol_bits=tol_bits, marginals=marginals)
    ((_, problem),) = found
    if not SEED.accepts(seed):
        raise ArgumentError("seed", f"expected {SEED.expected}, found {spell(seed)}")
    sizes = None if rows is None else _sizes(rows)
    own = None if groups is None else as_array("groups", groups, "an array of shape (n,)")
    return curve.curve_over_rows(
        problem, groups=own, rows=sizes, tol_bits=tol_bits, marginals=cast(Marginals, marginals), seed=seed
    )


def _sizes(rows: Sequence[int]) -> list[int]:
    array = as_array("rows", rows, "integers")
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ArgumentTypeError("rows", f"expected several integers, such as (256, 512), found {spell(rows)}")
    return [int(size) for size in array]
