"""The pairs of rows that a penalised problem sums over: all of them, or a list of those with mass.

At penalty p the pair (i, j) has S = a_i · b_j and the mass W = w_i v_j S^p. Every step of the method needs W / S and
W / S², or products with them. Both kinds keep T = S^(p-2) in float32, without the masses of the rows, which are
multiplied into the vectors. The bounds (`bounds.py`) depend on none of this.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import scipy.sparse as sparse
from jaxtyping import Float, Int

Single = np.float32

TINY: Final = 1e-30

BLOCK: Final = 1 << 16
"""Pairs processed at once, to stay in a core's cache."""

LOG_POWERS: Final = (-60.0, 60.0)
"""Range of log S^p: below it a pair counts as empty; above it, far from the solution, it would overflow."""

Matrix: TypeAlias = Any
"""(n1, n2): a numpy array or scipy's csr."""


@dataclass(frozen=True)
class Linearised:
    """The penalised problem at a point.

    Attributes:
        first: A, float32.
        second: B, float32.
        p: the penalty, an integer.
        rows: x_iy = a_iy Σ_j (W / S)_ij b_jy, which is P at the solution.
        columns: y_jy = b_jy Σ_i (W / S)_ij a_iy, which is R at the solution.
        powers: T = S^(p-2).
    """

    first: Float[np.ndarray, "n1 k"]
    second: Float[np.ndarray, "n2 k"]
    p: int
    rows: Float[np.ndarray, "n1 k"]
    columns: Float[np.ndarray, "n2 k"]
    powers: Matrix

    @property
    def total(self) -> float:
        """Σ W."""
        return float(self.rows.sum())


class AllPairs:
    """Dense, in blocks of rows.

    Args:
        w: masses of the rows of source 1.
        v: masses of the rows of source 2.
    """

    def __init__(self, w: Float[np.ndarray, " n1"], v: Float[np.ndarray, " n2"]) -> None:
        self.w, self.v = w.astype(Single), v.astype(Single)
        self.memory = [np.empty((len(w), len(v)), Single) for _ in range(2)]

    def linearise(
        self, first: Float[np.ndarray, "n1 k"], second: Float[np.ndarray, "n2 k"], p: int, keep: Linearised | None
    ) -> Linearised:
        """The penalised problem at A, B; invalidates earlier results except `keep`."""
        a, b = first.astype(Single), second.astype(Single)
        transposed = np.ascontiguousarray(b.T)
        powers = self.memory[1 if keep is not None and keep.powers is self.memory[0] else 0]
        heavy_a, heavy_b = a * self.w[:, None], b * self.v[:, None]
        rows, columns = np.empty_like(a), np.zeros(b.shape, np.float64)
        for part in blocks(len(a), len(b)):
            values = _within_range(a[part] @ transposed, p)
            integer_power(values, p - 2, out=powers[part])
            values *= powers[part]
            rows[part] = values @ heavy_b
            columns += values.T @ heavy_a[part]
        return Linearised(a, b, p, (rows * heavy_a).astype(np.float64), columns * heavy_b, powers)

    def weighted(
        self, powers: Matrix, a: Float[np.ndarray, "n1 k"], b: Float[np.ndarray, "n2 k"], c: Float[np.ndarray, "n2 k"]
    ) -> Float[np.ndarray, "n1 k"]:
        """Sums (T ∘ a bᵀ) c, one row per row of source 1."""
        transposed = np.ascontiguousarray(b.T)
        out = np.empty_like(a)
        for part in blocks(*powers.shape):
            values = a[part] @ transposed
            values *= powers[part]
            out[part] = values @ c
        return out

    def weighted_back(
        self, powers: Matrix, a: Float[np.ndarray, "n1 k"], b: Float[np.ndarray, "n2 k"], c: Float[np.ndarray, "n1 k"]
    ) -> Float[np.ndarray, "n2 k"]:
        """Sums (T ∘ a bᵀ)ᵀ c, one row per row of source 2."""
        transposed = np.ascontiguousarray(b.T)
        out = np.zeros_like(b)
        for part in blocks(*powers.shape):
            values = a[part] @ transposed
            values *= powers[part]
            out += values.T @ c[part]
        return out


class ListedPairs:
    """A list of pairs, sorted by row.

    Args:
        w: masses of the rows of source 1.
        v: masses of the rows of source 2.
        i: each pair's row of source 1; every row and every column has a pair.
        j: each pair's row of source 2.
    """

    def __init__(
        self,
        w: Float[np.ndarray, " n1"],
        v: Float[np.ndarray, " n2"],
        i: Int[np.ndarray, " e"],
        j: Int[np.ndarray, " e"],
    ) -> None:
        self.w, self.v = w.astype(Single), v.astype(Single)
        self.i, self.j = i.astype(np.int32), j.astype(np.int32)
        self.start = np.zeros(len(w) + 1, np.int32)
        np.cumsum(np.bincount(i, minlength=len(w)), out=self.start[1:])

    def linearise(
        self, first: Float[np.ndarray, "n1 k"], second: Float[np.ndarray, "n2 k"], p: int, keep: Linearised | None
    ) -> Linearised:
        """The penalised problem at A, B; `keep` is ignored."""
        a, b = first.astype(Single), second.astype(Single)
        heavy_a, heavy_b = a * self.w[:, None], b * self.v[:, None]
        values = _within_range(entries(a, b, self.i, self.j), p)
        powers = integer_power(values, p - 2, out=np.empty_like(values))
        values *= powers
        ratios = self._matrix(values)
        rows, columns = heavy_a * (ratios @ heavy_b), heavy_b * (ratios.T @ heavy_a)
        return Linearised(a, b, p, rows.astype(np.float64), columns.astype(np.float64), self._matrix(powers))

    def weighted(
        self, powers: Matrix, a: Float[np.ndarray, "n1 k"], b: Float[np.ndarray, "n2 k"], c: Float[np.ndarray, "n2 k"]
    ) -> Float[np.ndarray, "n1 k"]:
        """Sums (T ∘ a bᵀ) c, one row per row of source 1: Σ_y a_iy (T (b_y ∘ c))_i, without a list of a_i · b_j."""
        return _contracted(a, powers @ _products(b, c))

    def weighted_back(
        self, powers: Matrix, a: Float[np.ndarray, "n1 k"], b: Float[np.ndarray, "n2 k"], c: Float[np.ndarray, "n1 k"]
    ) -> Float[np.ndarray, "n2 k"]:
        """Sums (T ∘ a bᵀ)ᵀ c, one row per row of source 2."""
        return _contracted(b, powers.T @ _products(a, c))

    def _matrix(self, values: Float[np.ndarray, " e"]) -> Matrix:
        return sparse.csr_matrix((values, self.j, self.start), shape=(len(self.w), len(self.v)))


Pairs: TypeAlias = AllPairs | ListedPairs
"""The pairs that a penalised problem sums over; both kinds have the same methods."""


def _products(b: Float[np.ndarray, "n k"], c: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n kk"]:
    """All b_y c_z for every row."""
    return (b[:, :, None] * c[:, None, :]).reshape(len(b), -1)


def _contracted(a: Float[np.ndarray, "n k"], sums: Float[np.ndarray, "n kk"]) -> Float[np.ndarray, "n k"]:
    """Σ_y a_y m_yz for every row."""
    return np.einsum("nk,nkl->nl", a, sums.reshape(*a.shape, -1))


def blocks(rows: int, columns: int) -> Iterator[slice]:
    """Slices of rows with at most `BLOCK` entries each."""
    size = max(1, BLOCK // columns)
    return (slice(start, start + size) for start in range(0, rows, size))


def entries(
    a: Float[np.ndarray, "n1 k"], b: Float[np.ndarray, "n2 k"], i: Int[np.ndarray, " e"], j: Int[np.ndarray, " e"]
) -> Float[np.ndarray, " e"]:
    """a_i · b_j for every pair in the list, in parts that stay in a core's cache."""
    out = np.empty(len(i), a.dtype)
    first, second = np.ascontiguousarray(a.T), np.ascontiguousarray(b.T)
    for start in range(0, len(i), BLOCK):
        part = slice(start, start + BLOCK)
        rows, columns, total = i[part], j[part], out[part]
        np.multiply(first[0].take(rows), second[0].take(columns), out=total)
        for x, y in zip(first[1:], second[1:], strict=True):
            term = x.take(rows)
            term *= y.take(columns)
            total += term
    return out


def multiply_by_values(kernel: Matrix, a: Float[np.ndarray, "n1 k"], b: Float[np.ndarray, "n2 k"]) -> None:
    """Multiply every entry by its a_i · b_j, in place."""
    if sparse.issparse(kernel):
        kernel.data *= entries(a, b, row_of_entries(kernel), kernel.indices)
        return
    for part in blocks(*kernel.shape):
        kernel[part] *= a[part] @ b.T


def log_sum(pairs: Pairs, at: Linearised) -> float:
    """Σ W log S, nats."""
    total = 0.0
    for part in blocks(len(at.first), len(at.second)):
        powers = at.powers[part]
        if sparse.issparse(powers):
            i, j = row_of_entries(powers), powers.indices
            values, mass = entries(at.first[part], at.second, i, j), powers.data * pairs.v[j] * pairs.w[part][i]
        else:
            values, mass = at.first[part] @ at.second.T, powers * pairs.v * pairs.w[part, None]
        np.maximum(values, TINY, out=values)
        total += float(np.vdot(mass * values * values, np.log(values)))
    return total


def row_of_entries(matrix: Matrix) -> Int[np.ndarray, " e"]:
    """The row of every entry of a csr matrix."""
    return np.repeat(np.arange(matrix.shape[0], dtype=np.int32), np.diff(matrix.indptr))


def easy_penalty(p: float) -> int:
    """The nearest integer p with p - 2 three binary digits followed by zeros: its powers take few multiplications.

    Example:
        >>> [easy_penalty(p) for p in (32.0, 50.0, 1200.0)]
        [34, 50, 1282]
    """
    unit = 2 ** max(int(np.floor(np.log2(max(p - 2, 4)))) - 2, 0)
    return int(round((p - 2) / unit)) * unit + 2


def integer_power(x: Float[np.ndarray, "*n"], power: int, out: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Raise to a positive integer power by squaring, which is much faster than logarithm and exponential."""
    squarings = (power & -power).bit_length() - 1
    odd = power >> squarings
    now = x
    for digit in bin(odd)[3:]:
        now = np.multiply(now, now, out=out)
        if digit == "1":
            np.multiply(out, x, out=out)
    for _ in range(squarings):
        now = np.multiply(now, now, out=out)
    if now is x:
        np.copyto(out, x)
    return out


def _within_range(values: Float[np.ndarray, "*n"], p: int) -> Float[np.ndarray, "*n"]:
    least, most = (Single(np.exp(end / p)) for end in LOG_POWERS)
    return np.clip(values, least, most, out=values)
