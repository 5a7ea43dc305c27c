"""Finds the pairs of rows that carry mass at a penalty."""

from typing import Final

import numpy as np
from jaxtyping import Float, Int

from pid_jax.estimators.exact.penalty.newton import TINY
from pid_jax.estimators.exact.penalty.pairs import AllPairs, ListedPairs, Pairs, Single, blocks

ALWAYS_ALL: Final = 2_500_000
"""Up to this number of pairs, sum over all: listing would cost more than it saves."""

MOST_ALL: Final = 40_000_000
"""Up to this number, sum over all if the list would hold a good part of them; 4 bytes each, twice."""

MOST_LISTED: Final = 50_000_000
"""Maximum pairs in a list, about 2 GB with everything computed for them."""

SHARE: Final = 0.12
"""Above this share a dense product is cheaper than one with a list."""


class TooManyPairsError(Exception):
    """The list of pairs that carry mass does not fit into memory."""


def choose_pairs(
    first: Float[np.ndarray, "n1 k"],
    second: Float[np.ndarray, "n2 k"],
    a: Float[np.ndarray, "n1 k"],
    b: Float[np.ndarray, "n2 k"],
    p: int,
    share: float,
    now: Pairs | None = None,
) -> Pairs:
    """All pairs, or those that carry more than `share` of the mass of some label of their row or column.

    Judged by the pair's total mass alone, rare labels would lose their support.

    Args:
        first: P.
        second: R.
        a: A.
        b: B.
        p: the penalty.
        share: the minimum share.
        now: the current pairs, which are kept if they are all pairs.

    Raises:
        TooManyPairsError: the list would be longer than `MOST_LISTED`.
    """
    w, v = first.sum(1), second.sum(1)
    if len(w) * len(v) <= ALWAYS_ALL:
        return now if isinstance(now, AllPairs) else AllPairs(w, v)
    i, j = _list_pairs(first, second, a, b, p, share)
    if len(w) * len(v) <= MOST_ALL and len(i) > SHARE * len(w) * len(v):
        return now if isinstance(now, AllPairs) else AllPairs(w, v)
    return ListedPairs(w, v, i, j)


def _list_pairs(
    first: Float[np.ndarray, "n1 k"],
    second: Float[np.ndarray, "n2 k"],
    a: Float[np.ndarray, "n1 k"],
    b: Float[np.ndarray, "n2 k"],
    p: int,
    share: float,
) -> tuple[Int[np.ndarray, " e"], Int[np.ndarray, " e"]]:
    """One pass over all pairs in blocks of rows, float32."""
    w, v = first.sum(1), second.sum(1)
    per_row, per_column = (np.log(share / x).astype(Single) / Single(p) for x in (w, v))
    relative_a, relative_b = (
        np.where(t > 0, x * t.sum(1, keepdims=True) / np.where(t > 0, t, 1.0), 0.0).astype(Single)
        for t, x in ((first, a), (second, b))
    )
    a, b = a.astype(Single), b.astype(Single)
    transposed = np.ascontiguousarray(b.T)
    least = np.exp(min(per_row.min(), per_column.min()) - Single(16 / p))
    found, count = [], 0
    for part in blocks(len(a), len(b)):
        values = a[part] @ transposed
        i, j = np.nonzero(values > least)
        logs = np.log(values[i, j])
        i = (i + part.start).astype(np.int32)
        j = j.astype(np.int32)
        by_row = _largest_product(relative_a, b, i, j)
        by_column = _largest_product(a, relative_b, i, j)
        kept = (logs + by_row / Single(p) > per_column.take(j)) | (logs + by_column / Single(p) > per_row.take(i))
        found.append((i[kept], j[kept]))
        count += len(found[-1][0])
        if count > MOST_LISTED:
            raise TooManyPairsError
    i, j = (np.concatenate(side) for side in zip(*found, strict=True))
    return _nobody_left_out(a, b, i, j)


def _largest_product(
    a: Float[np.ndarray, "n1 k"], b: Float[np.ndarray, "n2 k"], i: Int[np.ndarray, " e"], j: Int[np.ndarray, " e"]
) -> Float[np.ndarray, " e"]:
    """Logarithm of the largest a_iy b_jy of every pair."""
    most = np.full(len(i), TINY, Single)
    for y in range(a.shape[1]):
        np.maximum(most, np.ascontiguousarray(a[:, y]).take(i) * np.ascontiguousarray(b[:, y]).take(j), out=most)
    return np.log(most)


def _nobody_left_out(
    a: Float[np.ndarray, "n1 k"], b: Float[np.ndarray, "n2 k"], i: Int[np.ndarray, " e"], j: Int[np.ndarray, " e"]
) -> tuple[Int[np.ndarray, " e"], Int[np.ndarray, " e"]]:
    """The list, and the best pair of every row and of every column without one."""
    rows = np.flatnonzero(np.bincount(i, minlength=len(a)) == 0)
    columns = np.flatnonzero(np.bincount(j, minlength=len(b)) == 0)
    if not len(rows) and not len(columns):
        return i, j
    best_column = np.array([np.argmax(b @ a[row]) for row in rows], np.int64)
    best_row = np.array([np.argmax(a @ b[column]) for column in columns], np.int64)
    i, j = np.concatenate([i, rows, best_row]), np.concatenate([j, best_column, columns])
    pairs = np.unique(i.astype(np.int64) * len(b) + j)
    return pairs // len(b), pairs % len(b)
