"""The published Sinkhorn where it stops early: the same half-steps, harmless where it does not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pid_jax.estimators.batch.published_stop import GUARD, TOLERANCE, stop_early, with_early_stops
from pid_jax.estimators.batch.sinkhorn import Stop, couple
from pid_jax.information import coupling_loss

N, K = 24, 3
ALL = jnp.ones(N, dtype=bool)


@pytest.fixture(scope="module")
def logits():
    return jnp.asarray(np.random.default_rng(0).uniform(-1, 1, size=(K, N, N)), dtype=jnp.float32)


def dirichlet(concentration: float, seed: int) -> jax.Array:
    p = np.random.default_rng(seed).dirichlet(np.full(K, concentration), size=N)
    return jnp.asarray(p, dtype=jnp.float32)


def by_hand(kernel: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, bool]:
    """One option as published, on the matrix itself, in float64."""
    for _ in range(500):
        kernel = kernel / (kernel.sum(axis=0) + GUARD) * columns
        if np.abs(kernel.sum(axis=1) - rows).max() <= TOLERANCE:
            return kernel, True
        kernel = kernel / (kernel.sum(axis=1, keepdims=True) + GUARD) * rows[:, None]
        if np.abs(kernel.sum(axis=0) - columns).max() <= TOLERANCE:
            return kernel, True
    return kernel, False


@pytest.mark.parametrize(("concentration", "stops"), [(3000.0, {True}), (1.0, {False})])
def test_against_the_loop_on_the_matrix(logits, concentration, stops):
    p1, p2 = dirichlet(concentration, 1), dirichlet(concentration, 2)
    coupling = with_early_stops(couple(logits, p1, p2, ALL, Stop(1e-6, 200)), logits, p1, p2, ALL)
    found = set()
    for k in range(K):
        matrix, stopped = by_hand(np.exp(np.float64(logits[k])), np.float64(p1[:, k]), np.float64(p2[:, k]))
        found.add(stopped)
        expected = matrix / (matrix.sum(axis=1, keepdims=True) + GUARD)
        np.testing.assert_allclose(coupling.q[k], expected, atol=1e-5)
    assert found == stops


def test_masses_far_apart_stay_finite(logits):
    p1, p2 = (jnp.asarray(np.tile(p, (N, 1)), dtype=jnp.float32) for p in ([1e-6, 0.5, 0.5], [1 - 1e-6, 1e-6, 0.0]))

    def loss(values: jax.Array) -> jax.Array:
        return coupling_loss(stop_early(values, p1, p2, ALL).q, p1, ALL)

    value, gradient = jax.value_and_grad(loss)(logits)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_padding_is_inert(logits):
    mask = jnp.arange(N) < 18
    p1, p2 = (jnp.where(mask[:, None], dirichlet(3000.0, seed), 0.0) for seed in (1, 2))
    inside = mask[:, None] & mask[None, :]
    padded = [stop_early(jnp.where(inside, logits, fill), p1, p2, mask).q for fill in (0.3, -2.0)]
    assert (padded[0] == padded[1]).all()
    small = stop_early(logits[:, :18, :18], p1[:18], p2[:18], mask[:18]).q
    np.testing.assert_allclose(padded[0][:, :18, :18], small, atol=1e-6)
