"""The published Sinkhorn iteration, if it stops early.

It scales each option's matrix towards rows p(y|x1) and columns p(y|x2), columns first, and stops after the first
half-step that leaves the other marginal within 0.01 everywhere. The masses differ, so it either stops after a few
half-steps, before converging, or never. If it never stops, the result equals a converged coupling (module `sinkhorn`);
if it stops, the coupling and above all its gradient are those of the half-steps taken.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from pid_jax.estimators.batch.sinkhorn import Coupling, marginals

TOLERANCE = 0.01
"""Published tolerance: absolute, for every row and column."""

GUARD = 1e-8
"""Published: added to a sum before dividing by it."""

SWEEPS = 10
"""Sweeps that are followed one by one; early stops come within the first few. A later stop would be close to the fixed
point."""


class EarlyStop(NamedTuple):
    """`q` (k, n, n): row-normalised coupling of the half-steps taken; `stopped` (k,): whether it stopped early."""

    q: Float[Array, "*k n n"]
    stopped: Bool[Array, "*k"]


class _Scaling(NamedTuple):
    """The matrix is diag(u) K diag(v); `column_sums` are those of diag(u) K; `done` once it has stopped."""

    u: Float[Array, " n"]
    v: Float[Array, " n"]
    column_sums: Float[Array, " n"]
    done: Bool[Array, ""]


def with_early_stops(
    coupling: Coupling,
    logits: Float[Array, "k n n"],
    p_y_x1: Float[Array, "n k"],
    p_y_x2: Float[Array, "n k"],
    mask: Bool[Array, " n"],
) -> Coupling:
    """A converged coupling, except for options where the published Sinkhorn stops early."""
    early = stop_early(logits, p_y_x1, p_y_x2, mask)
    rows, columns = marginals(p_y_x1, mask), marginals(p_y_x2, mask)
    error = jnp.abs(jnp.einsum("ka,kab->kb", rows, early.q) - columns).sum(axis=-1)
    return Coupling(
        jnp.where(early.stopped[:, None, None], early.q, coupling.q),
        jnp.where(early.stopped, jax.lax.stop_gradient(error), coupling.error),
    )


def stop_early(
    logits: Float[Array, "k n n"],
    p_y_x1: Float[Array, "n k"],
    p_y_x2: Float[Array, "n k"],
    mask: Bool[Array, " n"],
) -> EarlyStop:
    """Follow the published half-steps, differentiably, for each option."""
    real = mask.astype(logits.dtype)

    def one_option(a_logits: Float[Array, "n n"], rows: Float[Array, " n"], columns: Float[Array, " n"]) -> EarlyStop:
        kernel = jnp.exp(a_logits) * real[:, None] * real[None, :]
        start = _Scaling(real, real, kernel.T @ real, jnp.array(False))

        def sweep(state: _Scaling, _: None) -> tuple[_Scaling, None]:
            v = columns * state.v / (state.v * state.column_sums + GUARD)
            row_sums = kernel @ v
            stopped_after_columns = _close(state.u * row_sums, rows)
            u = jnp.where(stopped_after_columns, state.u, rows * state.u / (state.u * row_sums + GUARD))
            column_sums = kernel.T @ u
            done = stopped_after_columns | _close(v * column_sums, columns)
            size = _size(u)
            after = _Scaling(u / size, v * size, column_sums / size, done)
            return jax.tree.map(lambda old, new: jnp.where(state.done, old, new), state, after), None

        end, _ = jax.lax.scan(sweep, start, None, length=SWEEPS)
        joint = end.u[:, None] * kernel * end.v[None, :]
        return EarlyStop(joint / (joint.sum(axis=1, keepdims=True) + GUARD), end.done)

    return jax.vmap(one_option)(logits, p_y_x1.T, p_y_x2.T)


def _size(u: Float[Array, " n"]) -> Float[Array, ""]:
    """Factor that divides u and multiplies v; with unequal masses they would otherwise grow and shrink without end."""
    largest = jax.lax.stop_gradient(u).max()
    return jnp.where(largest > 0, largest, 1.0)


def _close(found: Float[Array, " n"], wanted: Float[Array, " n"]) -> Bool[Array, ""]:
    return (jnp.abs(found - wanted) <= TOLERANCE).all()
