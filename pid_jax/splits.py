"""Which rows train the coupling, which measure it, and in which batches. Numpy on the host, fixed by a seed."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_SPLIT, _BATCHES = 0, 1
"""Streams of the random generator: the split must not depend on how many batches are drawn."""

WIDTH_MULTIPLE = 32
"""Test batches are padded to such a width, so that runs of nearly equal size share a compiled program."""


class EvaluationBatches(NamedTuple):
    """`rows` (t, b) of row numbers and `mask` (t, b), False where a place is padding."""

    rows: NDArray
    mask: NDArray


def split_rows(groups: NDArray | None, num_rows: int, seed: int, train_share: float) -> tuple[NDArray, NDArray]:
    """Row numbers for training and for testing, each in shuffled order (paper: 3:1 at random).

    Args:
        groups: (n,) names of groups that must not straddle the split, or None to split single rows.
        num_rows: n.
        seed: fixes the shuffle.
        train_share: the first ⌊train_share · n⌋ rows train; with groups, whole groups up to that number.
    """
    rng = np.random.default_rng([seed, _SPLIT])
    limit = int(train_share * num_rows)
    if groups is None:
        order = rng.permutation(num_rows)
        return order[:limit], order[limit:]
    names, member = np.unique(groups, return_inverse=True)
    place = rng.permutation(len(names))[member]
    order = np.lexsort((rng.permutation(num_rows), place))
    sizes = np.bincount(place)
    fits = int((np.cumsum(sizes) <= limit).sum())
    cut = int(sizes[:fits].sum())
    return order[:cut], order[cut:]


def train_batches(rows: NDArray, seed: int, epochs: int, batch_size: int) -> NDArray:
    """Row numbers (steps, b): every epoch a fresh shuffle without replacement, the incomplete batch dropped."""
    rng = np.random.default_rng([seed, _BATCHES])
    whole = len(rows) // batch_size * batch_size
    order = np.stack([rng.permutation(rows)[:whole] for _ in range(epochs)])
    return order.reshape(-1, batch_size)


def evaluation_batches(rows: NDArray, batch_size: int, drop_incomplete: bool) -> EvaluationBatches:
    """Test rows in batches: as published (whole batches only), or all rows in batches of nearly equal size.

    Equal sizes rather than a small remainder, because a coupling over a handful of rows is another estimator.
    """
    if drop_incomplete:
        whole = len(rows) // batch_size * batch_size
        batches = rows[:whole].reshape(-1, batch_size)
        return EvaluationBatches(batches, np.ones_like(batches, dtype=bool))
    parts = np.array_split(rows, -(-len(rows) // batch_size))
    width = -(-len(parts[0]) // WIDTH_MULTIPLE) * WIDTH_MULTIPLE
    padded = np.stack([np.pad(part, (0, width - len(part)), mode="edge") for part in parts])
    mask = np.stack([np.arange(width) < len(part) for part in parts])
    return EvaluationBatches(padded, mask)
