"""Cells of similar rows, coarse to fine: a problem of cells is small, and its solution starts the finer one."""

import heapq
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int


def nested_cells(masses: Float[np.ndarray, "n k"], sizes: Sequence[int]) -> list[Int[np.ndarray, " n"]]:
    """Bisect the cell that loses most information, along its first axis in √p(y|x), until there are so many cells.

    Args:
        masses: joint masses of rows and label.
        sizes: numbers of cells, ascending.

    Returns:
        The cell of every row, for every size.
    """
    weight = masses.sum(1)
    roots = np.sqrt(masses / weight[:, None])
    entropy = _xlogx(masses).sum(1) - _xlogx(weight)
    cell = np.zeros(len(masses), np.int64)

    def lost(rows: Int[np.ndarray, " m"]) -> float:
        total = masses[rows].sum(0)
        return float(entropy[rows].sum() - _xlogx(total).sum() + _xlogx(total.sum()))

    everything = np.arange(len(masses))
    heap, count, found = [(-lost(everything), 0, everything)], 1, []
    for size in sizes:
        while count < size and heap[0][0] < -1e-15:
            _, name, rows = heapq.heappop(heap)
            above = _halves(roots[rows], weight[rows])
            for part, label in ((rows[above], name), (rows[~above], count)):
                cell[part] = label
                heapq.heappush(heap, (-lost(part), label, part))
            count += 1
        found.append(cell.copy())
    return found


def sum_cells(masses: Float[np.ndarray, "n k"], cell: Int[np.ndarray, " n"]) -> Float[np.ndarray, "m k"]:
    """Joint masses of the cells."""
    return np.stack([np.bincount(cell, column) for column in masses.T], axis=1)


def _halves(roots: Float[np.ndarray, "m k"], weight: Float[np.ndarray, " m"]) -> Bool[np.ndarray, " m"]:
    centred = roots - weight @ roots / weight.sum()
    axis = np.linalg.eigh((centred * weight[:, None]).T @ centred)[1][:, -1]
    above = centred @ axis > 0
    return np.arange(len(roots)) < len(roots) // 2 if above.all() or not above.any() else above


def _xlogx(x: Float[Any, "*n"]) -> Float[Any, "*n"]:
    return x * np.log(np.where(x > 0, x, 1.0))
