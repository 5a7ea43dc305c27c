"""Which rows train the coupling, which measure it, and in which batches; in numpy on the host, fixed by a seed."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, Shaped

from pid_jax.config import EstimatorConfig

_SPLIT, _BATCHES = 0, 1
"""Random generator streams: the split must not depend on how many batches are drawn."""


class EvaluationBatches(NamedTuple):
    """`rows`: row numbers of each test batch; `mask`: False on padding."""

    rows: Int[np.ndarray, "t c"]
    mask: Bool[np.ndarray, "t c"]


def split_rows(
    groups: Shaped[np.ndarray, " n"] | None, num_rows: int, seed: int, train_share: float
) -> tuple[Int[np.ndarray, " train"], Int[np.ndarray, " test"]]:
    """Row numbers for training and for testing, each in shuffled order (paper: 3:1 at random).

    Args:
        groups: names of groups to keep on one side of the split, or None to split single rows.
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


class Layout(NamedTuple):
    """The numbers of batches that all seeds of a run share: training batches per epoch, and test batches."""

    per_epoch: int
    test_batches: int


def make_layout(sizes: Iterable[tuple[int, int]], batch_size: int, drop_incomplete: bool) -> Layout:
    """The layout for the training and test rows of every seed.

    With a split by groups, sizes differ between seeds: all train as long as the smallest training part allows, and form
    as many test batches as the largest test part needs (or, without incomplete batches, as the smallest fills).
    """
    train, test = zip(*sizes, strict=True)
    per_epoch = min(train) // batch_size
    if drop_incomplete:
        return Layout(per_epoch, min(test) // batch_size)
    return Layout(per_epoch, -(-max(test) // batch_size))


def train_batches(
    rows: Int[np.ndarray, " train"], seed: int, epochs: int, batch_size: int, per_epoch: int | None = None
) -> Int[np.ndarray, "s b"]:
    """Row numbers of every step: each epoch is a fresh shuffle without replacement, dropping the incomplete batch.

    `per_epoch` batches of each epoch are kept; by default all complete ones.
    """
    rng = np.random.default_rng([seed, _BATCHES])
    whole = (len(rows) // batch_size if per_epoch is None else per_epoch) * batch_size
    order = np.stack([rng.permutation(rows)[:whole] for _ in range(epochs)])
    return order.reshape(-1, batch_size)


def evaluation_batches(
    rows: Int[np.ndarray, " test"], batch_size: int, drop_incomplete: bool, layout: Layout | None = None
) -> EvaluationBatches:
    """Test rows in batches: complete batches only (as published), or all rows in batches of nearly equal size.

    Sizes are equal instead of leaving a small remainder because a coupling over a handful of rows is a different
    estimator. All batches are padded to `batch_size`, so that runs of any size share a compiled program. By default the
    `layout` is that of these rows alone.
    """
    layout = layout or make_layout([(batch_size, len(rows))], batch_size, drop_incomplete)
    if drop_incomplete:
        batches = rows[: layout.test_batches * batch_size].reshape(-1, batch_size)
        return EvaluationBatches(batches, np.ones_like(batches, dtype=bool))
    parts = np.array_split(rows, layout.test_batches)
    padded = np.stack([np.pad(part, (0, batch_size - len(part)), mode="edge") for part in parts])
    mask = np.stack([np.arange(batch_size) < len(part) for part in parts])
    return EvaluationBatches(padded, mask)


def split_seeds(config: EstimatorConfig) -> tuple[int, ...]:
    """The split seed of each fit."""
    return tuple(seed if config.split_seed is None else config.split_seed for seed in config.seeds)
