"""Cells of similar rows, coarse to fine: a problem of cells is small, and its solution starts the finer one."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from pid_jax.estimators.exact.penalty.bounds import xlogx

NOTHING_LOST: Final = 1e-15
"""Rows of a cell count as equal if the cell loses at most this information, nats."""


def nested_cells(masses: Float[np.ndarray, "n k"], sizes: Sequence[int]) -> list[Int[np.ndarray, " n"]]:
    """Bisect the cells that lose most information along their first axes in √p(y|x), up to the given sizes.

    Each round bisects up to half of the cells.

    Args:
        masses: joint masses of rows and label.
        sizes: numbers of cells, in ascending order.

    Returns:
        The cell of each row, for each size.
    """
    cell, count, found = np.zeros(len(masses), np.int64), 1, []
    for size in sizes:
        while count < size:
            lost = _lost(masses, cell)
            split = np.argsort(-lost, kind="stable")[: min(max(count // 2, 1), size - count)]
            split = split[lost[split] > NOTHING_LOST]
            if not len(split):
                break
            cell = _bisect(masses, cell, split)
            count += len(split)
        found.append(cell.copy())
    return found


def sum_cells(masses: Float[np.ndarray, "n k"], cell: Int[np.ndarray, " n"]) -> Float[np.ndarray, "m k"]:
    """Joint masses of the cells."""
    return np.stack([np.bincount(cell, column) for column in masses.T], axis=1)


def _lost(masses: Float[np.ndarray, "n k"], cell: Int[np.ndarray, " n"]) -> Float[np.ndarray, " m"]:
    """Information between row and label within each cell, nats."""

    def entropies(joint: Float[np.ndarray, "n k"]) -> Float[np.ndarray, " n"]:
        return xlogx(joint.sum(1)) - xlogx(joint).sum(1)

    return entropies(sum_cells(masses, cell)) - np.bincount(cell, entropies(masses))


def _bisect(
    masses: Float[np.ndarray, "n k"], cell: Int[np.ndarray, " n"], split: Int[np.ndarray, " s"]
) -> Int[np.ndarray, " n"]:
    """Move half of each cell in `split` to a new cell, numbered after the last."""
    count = cell.max() + 1
    place = np.full(count, -1)
    place[split] = np.arange(len(split))
    rows = np.flatnonzero(place[cell] >= 0)
    part = place[cell[rows]]
    moved = rows[~_above(masses[rows], part)]
    cell = cell.copy()
    cell[moved] = count + place[cell[moved]]
    return cell


def _above(masses: Float[np.ndarray, "n k"], part: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Whether a row lies above its part's mean along the part's first axis in √p(y|x)."""
    weight = masses.sum(1)
    roots = np.sqrt(masses / weight[:, None])
    centred = roots - (sum_cells(roots * weight[:, None], part) / np.bincount(part, weight)[:, None])[part]
    options = masses.shape[1]
    products = (weight[:, None, None] * centred[:, :, None] * centred[:, None, :]).reshape(len(masses), -1)
    spread = sum_cells(products, part).reshape(-1, options, options)
    axes = np.linalg.eigh(spread)[1][:, :, -1]
    above = np.einsum("nk,nk->n", centred, axes[part]) > 0
    inside, size = np.bincount(part, above), np.bincount(part)
    whole = ((inside == 0) | (inside == size))[part]
    if whole.any():  # rows that differ only by rounding: take the first half
        rank = np.empty(len(part), np.int64)
        order = np.argsort(part, kind="stable")
        rank[order] = np.arange(len(part)) - (np.cumsum(size) - size)[part[order]]
        above = np.where(whole, rank < size[part] // 2, above)
    return above
