"""Bounds on I_q that hold whatever the iterations did: feasible points of the dual and the primal, in float64.

Lower bound: A and B scaled so that no pair exceeds 1, the best of three ways. Upper bound: the coupling given by the
multipliers, with its marginals made exact (scaled down, the remainder added as a product). Both are computed in blocks
of rows, so nothing larger than (block, n2) is held in float64.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pid_jax.estimators.exact.solver.dual import TINY, Masses, State

SCALINGS = 20
"""Sinkhorn sweeps per label before the marginals are made exact."""

BLOCK = 512
"""Rows in float64 at once."""

ROUNDING = 1e-13
"""Nats by which the bounds are widened for rounding of float64 sums."""


class Certificate(NamedTuple):
    """Bounds on I_q, nats, and the feasible dual point of the lower bound.

    Attributes:
        low: the largest lower bound, at least I1 and I2.
        high: the smallest upper bound, at most H(Y) and I1 + I2.
        dual_low: lower bound from the dual point alone.
        first: its A.
        second: its B.
    """

    low: Float[Array, "*p"]
    high: Float[Array, "*p"]
    dual_low: Float[Array, "*p"]
    first: Float[Array, "*p n1 k"]
    second: Float[Array, "*p n2 k"]


def certify(masses: Masses, state: State) -> Certificate:
    """Bounds from a state in any precision; `masses` are float64."""
    first, second = masses
    entropy = -_xlogx(first.sum(0)).sum()
    i1, i2 = (source_information(part) for part in masses)
    bound, a, b = _dual_bound(masses, state)
    upper = _primal_bound(masses, state)
    low = jnp.maximum(jnp.maximum(bound + entropy, jnp.maximum(i1, i2)) - ROUNDING, 0.0)
    high = jnp.minimum(upper + entropy, jnp.minimum(entropy, i1 + i2)) + ROUNDING
    return Certificate(low, jnp.maximum(high, low), bound + entropy, a, b)


def source_information(masses: Float[Any, "n k"]) -> Float[Array, ""]:
    """I(X;Y) of joint masses, nats."""
    return _xlogx(masses).sum() - _xlogx(masses.sum(1)).sum() - _xlogx(masses.sum(0)).sum()


def _dual_bound(masses: Masses, state: State) -> tuple[Float[Array, ""], Float[Array, "n1 k"], Float[Array, "n2 k"]]:
    """⟨P, log A⟩ + ⟨R, log B⟩ for the best feasible scaling of the state's A and B."""
    a, b = (_floored(p, x) for p, x in zip(masses, (state.first, state.second), strict=True))
    row_most, column_most, column_most_scaled = _largest_pairs(a, b)
    w, v = (p.sum(1) for p in masses)
    plain = _xlogy(masses.first, a).sum() + _xlogy(masses.second, b).sum()
    rows, columns, scaled = (
        _xlogy(weight, jnp.maximum(most, TINY)).sum()
        for weight, most in ((w, row_most), (v, column_most), (v, column_most_scaled))
    )
    bounds = jnp.stack([plain - rows, plain - columns, plain - rows / 2 - scaled])
    best = jnp.argmax(bounds)
    ones = (jnp.ones_like(w), jnp.ones_like(v))
    by_row = jnp.stack([row_most, ones[0], jnp.sqrt(row_most)])[best]
    by_column = jnp.stack([ones[1], column_most, column_most_scaled])[best]
    return bounds[best], a / jnp.maximum(by_row, TINY)[:, None], b / jnp.maximum(by_column, TINY)[:, None]


def _largest_pairs(
    a: Float[Array, "n1 k"], b: Float[Array, "n2 k"]
) -> tuple[Float[Array, " n1"], Float[Array, " n2"], Float[Array, " n2"]]:
    """Largest S of each row, of each column, and of each column after dividing rows by the roots of theirs."""

    def block(rows: Float[Array, "c k"]) -> Any:
        values = rows @ b.T
        most = values.max(1)
        return most, values.max(0), (values / jnp.sqrt(jnp.maximum(most, TINY))[:, None]).max(0)

    row_most, column_most, scaled = jax.lax.map(block, _blocks(a))
    return row_most.reshape(-1)[: len(a)], column_most.max(0), scaled.max(0)


def _primal_bound(masses: Masses, state: State) -> Float[Array, ""]:
    """Σ Q log(Q / Σ_y Q) of a coupling Q with exactly these marginals."""
    kernel, f, g = _scaled_coupling(masses, state)
    f = f * _at_most_one(masses.first, f * _row_sums(kernel, g))
    g = g * _at_most_one(masses.second, g * _column_sums(kernel, f))
    left = jnp.maximum(masses.first - f * _row_sums(kernel, g), 0.0)
    right = jnp.maximum(masses.second - g * _column_sums(kernel, f), 0.0)
    share = right / jnp.maximum(right.sum(0), 1e-300)

    def block(rows: Any) -> Float[Array, ""]:
        kernel_rows, f_rows, left_rows = rows
        kernel_rows = kernel_rows.astype(f.dtype)
        total, value = jnp.zeros_like(kernel_rows), jnp.zeros((), f.dtype)
        for y in range(f.shape[1]):
            q = kernel_rows * f_rows[:, y, None] * g[:, y] + left_rows[:, y, None] * share[:, y]
            total, value = total + q, value + _xlogx(q).sum()
        return value - _xlogx(total).sum()

    return jax.lax.map(block, (_blocks(kernel), _blocks(f), _blocks(left))).sum()


def _scaled_coupling(
    masses: Masses, state: State
) -> tuple[Float[Array, "n1 n2"], Float[Array, "n1 k"], Float[Array, "n2 k"]]:
    """M / S in the state's precision, and per-label float64 factors that bring its marginals close to the targets."""
    dtype = state.ratios.dtype
    first, second = (part.astype(dtype) for part in masses)
    product = first.sum(1)[:, None] * second.sum(1)[None, :]
    values = state.first @ state.second.T
    kernel = jnp.where(product > 0, state.ratios * product / jnp.maximum(values, TINY), 0.0)

    def sweep(_: Any, factors: Any) -> Any:
        f, g = factors
        f = jnp.where(first > 0, first / jnp.maximum(kernel @ g, TINY), 0.0)
        return f, jnp.where(second > 0, second / jnp.maximum(kernel.T @ f, TINY), 0.0)

    f, g = jax.lax.fori_loop(0, SCALINGS, sweep, (state.first, state.second))
    return kernel, f.astype(masses.first.dtype), g.astype(masses.second.dtype)


def _blocks(rows: Float[Array, "n ..."]) -> Float[Array, "b c ..."]:
    size = min(BLOCK, len(rows))
    count = -(-len(rows) // size)
    padding = [(0, count * size - len(rows)), *[(0, 0)] * (rows.ndim - 1)]
    return jnp.pad(rows, padding).reshape(count, size, *rows.shape[1:])


def _row_sums(kernel: Float[Array, "n1 n2"], g: Float[Array, "n2 k"]) -> Float[Array, "n1 k"]:
    sums = jax.lax.map(lambda rows: rows.astype(g.dtype) @ g, _blocks(kernel))
    return sums.reshape(-1, g.shape[1])[: len(kernel)]


def _column_sums(kernel: Float[Array, "n1 n2"], f: Float[Array, "n1 k"]) -> Float[Array, "n2 k"]:
    def add(total: Any, rows: Any) -> Any:
        return total + rows[0].astype(f.dtype).T @ rows[1], None

    zero = jnp.zeros((kernel.shape[1], f.shape[1]), f.dtype)
    return jax.lax.scan(add, zero, (_blocks(kernel), _blocks(f)))[0]


def _at_most_one(wanted: Float[Array, "n k"], found: Float[Array, "n k"]) -> Float[Array, "n k"]:
    return jnp.minimum(1.0, jnp.where(found > 0, wanted / jnp.where(found > 0, found, 1.0), 1.0))


def _floored(target: Float[Array, "n k"], x: Float[Array, "n k"]) -> Float[Array, "n k"]:
    """Converted to float64: 0 where the mass is 0, and never 0 elsewhere, since float32 may have underflowed."""
    return jnp.where(target > 0, jnp.maximum(x.astype(target.dtype), TINY), 0.0)


def _xlogx(x: Float[Any, "*n"]) -> Float[Array, "*n"]:
    return _xlogy(x, x)


def _xlogy(x: Float[Any, "*#n"], y: Float[Any, "*#n"]) -> Float[Array, "*#n"]:
    return jnp.where(x > 0, x * jnp.log(jnp.where(x > 0, y, 1.0)), 0.0)
