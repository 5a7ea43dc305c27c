"""The pairs of rows that a penalised problem sums over: all of them, or a list of those that carry mass.

At penalty p the pair (i, j) has S = a_i · b_j and the mass W = w_i v_j S^p. Every step of the method needs W, G = W / S
and T = W / S², or products with them: a `Linearised` holds T and the sums that come with it. Both kinds compute in
float32; the bounds (`bounds.py`) do not depend on it.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import scipy.sparse as sparse
from jaxtyping import Float, Int

Single = np.float32

BLOCK: Final = 1 << 16
"""Entries of a dense matrix that are worked on at once, so that they stay in a core's cache."""

LEAST_LOG_POWER: Final = -60.0
MOST_LOG_POWER: Final = 60.0
"""Range of log S^p: below, a pair counts as empty; above, far from the solution, it would overflow."""

Matrix = Any
"""(n1, n2): a numpy array or scipy's csr."""


class Linearised(NamedTuple):
    """The penalised problem at a point.

    Attributes:
        first: A, float32.
        second: B, float32.
        p: the penalty.
        rows: x_iy = a_iy Σ_j G_ij b_jy, which is P at the solution.
        columns: y_jy = b_jy Σ_i G_ij a_iy, which is R at the solution.
        log_sum: Σ W log S.
        curvature: T.
    """

    first: Float[np.ndarray, "n1 k"]
    second: Float[np.ndarray, "n2 k"]
    p: float
    rows: Float[np.ndarray, "n1 k"]
    columns: Float[np.ndarray, "n2 k"]
    log_sum: float
    curvature: Matrix

    @property
    def total(self) -> float:
        """Σ W."""
        return float(self.rows.sum())


class Pairs(Protocol):
    """All pairs, or a list of them."""

    def linearise(
        self, first: Float[np.ndarray, "n1 k"], second: Float[np.ndarray, "n2 k"], p: float, keep: Linearised | None
    ) -> Linearised:
        """The penalised problem at A, B; of earlier results only `keep` stays valid."""
        ...

    def cross(self, at: Linearised, z: Float[np.ndarray, "n2 k"]) -> Float[np.ndarray, "n1 k"]:
        """Change of `rows` when log B moves by z."""
        ...

    def cross_back(self, at: Linearised, u: Float[np.ndarray, "n1 k"]) -> Float[np.ndarray, "n2 k"]:
        """Change of `columns` when log A moves by u: the transpose of `cross`."""
        ...

    def kernel(self, at: Linearised) -> Matrix:
        """G: the coupling is Q_ijy = G_ij a_iy b_jy."""
        ...


class AllPairs:
    """Dense, in blocks of rows.

    Args:
        w: masses of the rows of source 1.
        v: of source 2.
    """

    def __init__(self, w: Float[np.ndarray, " n1"], v: Float[np.ndarray, " n2"]) -> None:
        self.w, self.v = w.astype(Single), v.astype(Single)
        self.memory = [np.empty((len(w), len(v)), Single) for _ in range(2)]

    def linearise(
        self, first: Float[np.ndarray, "n1 k"], second: Float[np.ndarray, "n2 k"], p: float, keep: Linearised | None
    ) -> Linearised:
        """The penalised problem at A, B; of earlier results only `keep` stays valid."""
        a, b = first.astype(Single), second.astype(Single)
        transposed = np.ascontiguousarray(b.T)
        curvature = self.memory[1 if keep is not None and keep.curvature is self.memory[0] else 0]
        rows, columns = np.empty_like(a), np.zeros(b.shape, np.float64)
        least = Single(np.exp(LEAST_LOG_POWER / p))
        log_sum = 0.0
        for part in blocks(len(a), len(b)):
            values = np.maximum(a[part] @ transposed, least)
            logs = np.log(values)
            mass = logs * Single(p)
            np.exp(np.minimum(mass, Single(MOST_LOG_POWER), out=mass), out=mass)
            mass *= self.v
            mass *= self.w[part, None]
            log_sum += float(np.vdot(mass, logs))
            mass /= values
            rows[part] = mass @ b
            columns += mass.T @ a[part]
            np.divide(mass, values, out=curvature[part])
        return Linearised(a, b, p, (rows * a).astype(np.float64), columns * b, log_sum, curvature)

    def cross(self, at: Linearised, z: Float[np.ndarray, "n2 k"]) -> Float[np.ndarray, "n1 k"]:
        """Change of `rows` when log B moves by z."""
        moved = at.second * z.astype(Single)
        transposed = np.ascontiguousarray(moved.T)
        out = np.empty_like(at.first)
        for part in blocks(*at.curvature.shape):
            t = at.curvature[part]
            change = at.first[part] @ transposed
            change *= Single(at.p - 1)
            change *= t
            out[part] = change @ at.second + t @ moved
        return out * at.first

    def cross_back(self, at: Linearised, u: Float[np.ndarray, "n1 k"]) -> Float[np.ndarray, "n2 k"]:
        """Change of `columns` when log A moves by u."""
        moved = at.first * u.astype(Single)
        transposed = np.ascontiguousarray(at.second.T)
        out = np.zeros_like(at.second)
        for part in blocks(*at.curvature.shape):
            t = at.curvature[part]
            change = moved[part] @ transposed
            change *= Single(at.p - 1)
            change *= t
            out += change.T @ at.first[part] + t.T @ moved[part]
        return out * at.second

    def kernel(self, at: Linearised) -> Matrix:
        """G = T S."""
        out = np.array(at.curvature)
        multiply_by_values(out, at.first, at.second)
        return out


class ListedPairs:
    """A list of pairs, sorted by row.

    Args:
        w: masses of the rows of source 1.
        v: of source 2.
        i: of every pair, its row of source 1; every row and every column has a pair.
        j: its row of source 2.
    """

    def __init__(
        self,
        w: Float[np.ndarray, " n1"],
        v: Float[np.ndarray, " n2"],
        i: Int[np.ndarray, " e"],
        j: Int[np.ndarray, " e"],
    ) -> None:
        self.i, self.j, self.shape = i.astype(np.int32), j.astype(np.int32), (len(w), len(v))
        self.start = np.zeros(len(w) + 1, np.int32)
        np.cumsum(np.bincount(i, minlength=len(w)), out=self.start[1:])
        self.product = w.astype(Single).take(self.i) * v.astype(Single).take(self.j)

    def matrix(self, entries: Float[np.ndarray, " e"]) -> Matrix:
        """The entries as a sparse matrix."""
        return sparse.csr_matrix((entries, self.j, self.start), shape=self.shape)

    def linearise(
        self, first: Float[np.ndarray, "n1 k"], second: Float[np.ndarray, "n2 k"], p: float, keep: Linearised | None
    ) -> Linearised:
        """The penalised problem at A, B."""
        a, b = first.astype(Single), second.astype(Single)
        values = np.maximum(entries(a, b, self.i, self.j), Single(np.exp(LEAST_LOG_POWER / p)))
        logs = np.log(values)
        mass = logs * Single(p)
        np.exp(np.minimum(mass, Single(MOST_LOG_POWER), out=mass), out=mass)
        mass *= self.product
        log_sum = float(np.vdot(mass, logs))
        mass /= values
        rows, columns = a * (self.matrix(mass) @ b), b * (self.matrix(mass).T @ a)
        mass /= values
        return Linearised(a, b, p, rows.astype(np.float64), columns.astype(np.float64), log_sum, self.matrix(mass))

    def cross(self, at: Linearised, z: Float[np.ndarray, "n2 k"]) -> Float[np.ndarray, "n1 k"]:
        """Change of `rows` when log B moves by z."""
        moved = at.second * z.astype(Single)
        change = entries(at.first, moved, self.i, self.j)
        change *= Single(at.p - 1)
        change *= at.curvature.data
        return at.first * (self.matrix(change) @ at.second + at.curvature @ moved)

    def cross_back(self, at: Linearised, u: Float[np.ndarray, "n1 k"]) -> Float[np.ndarray, "n2 k"]:
        """Change of `columns` when log A moves by u."""
        moved = at.first * u.astype(Single)
        change = entries(moved, at.second, self.i, self.j)
        change *= Single(at.p - 1)
        change *= at.curvature.data
        return at.second * (self.matrix(change).T @ at.first + at.curvature.T @ moved)

    def kernel(self, at: Linearised) -> Matrix:
        """G = T S."""
        out = at.curvature.copy()
        multiply_by_values(out, at.first, at.second)
        return out


def blocks(rows: int, columns: int) -> Iterator[slice]:
    """Slices of rows with at most `BLOCK` entries each."""
    size = max(1, BLOCK // columns)
    return (slice(start, start + size) for start in range(0, rows, size))


def entries(
    a: Float[np.ndarray, "n1 k"], b: Float[np.ndarray, "n2 k"], i: Int[np.ndarray, " e"], j: Int[np.ndarray, " e"]
) -> Float[np.ndarray, " e"]:
    """a_i · b_j of every pair of the list."""
    out = np.zeros(len(i), a.dtype)
    for y in range(a.shape[1]):
        term = np.ascontiguousarray(a[:, y]).take(i)
        term *= np.ascontiguousarray(b[:, y]).take(j)
        out += term
    return out


def multiply_by_values(kernel: Matrix, a: Float[np.ndarray, "n1 k"], b: Float[np.ndarray, "n2 k"]) -> None:
    """Multiply every entry by its a_i · b_j, in place."""
    if sparse.issparse(kernel):
        rows = np.repeat(np.arange(kernel.shape[0], dtype=np.int32), np.diff(kernel.indptr))
        kernel.data *= entries(a, b, rows, kernel.indices)
        return
    for part in blocks(*kernel.shape):
        kernel[part] *= a[part] @ b.T
