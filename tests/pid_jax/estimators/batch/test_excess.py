"""The least loss of a batch: no coupling of BATCH is below it, and an independent solver finds the same."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pid_jax.estimators.batch.excess import MeasuredRows, batch_masses, least_losses
from pid_jax.estimators.batch.sinkhorn import Stop, couple
from pid_jax.information import coupling_loss
from pid_jax.problems.splits import EvaluationBatches
from pid_lvlm.data.names import NATS_PER_BIT
from pid_lvlm.data.world.exact import broja_atoms
from tests.golden.replay import load
from tests.golden.test_replay import FILES

K = 4
"""Options and rows are padded to the shape of the tests of `exact`: one compiled program."""
N = 32
STOP = Stop(1e-6, 2000)
RESIDUAL = 1e-4
"""Nats that a coupling of float32 with marginals that are nearly right may be below the least loss."""


def rows(seed, *, case="full", n=N):
    rng = np.random.default_rng(seed)
    options = rng.integers(2, K, n) if case == "missing" else np.full(n, K)
    p = [np.where(np.arange(K) < options[:, None], np.exp(2 * rng.normal(size=(n, K))), 0) for _ in range(2)]
    if case == "absent":  # a label that nobody has, and one that source 2 never has
        p[0][:, 0] = p[1][:, 0] = p[1][:, 1] = 0
    return [(one / one.sum(1, keepdims=True)).astype(np.float32) for one in p]


def one_batch(n=N, padding=0):
    mask = np.arange(n + padding) < n
    return EvaluationBatches(np.minimum(np.arange(n + padding), n - 1)[None], mask[None])


def loss_of(logits, first, second):
    """BATCH's loss of the coupling that belongs to these logits, nats."""
    mask = jnp.ones(len(first), bool)
    return coupling_loss(couple(logits, first, second, mask, STOP).q, first, mask)


def test_what_is_left_out_of_a_batch_does_not_matter():
    first, second = rows(0)
    full, masked = least_losses(
        [MeasuredRows(first[:24], second[:24], one_batch(24)), MeasuredRows(first, second, one_batch(24, 8))], 1e-3
    )
    assert masked == pytest.approx(full, abs=1e-12)


@pytest.mark.parametrize("case", ["full", "missing", "absent"])
def test_no_coupling_is_below_it(case):
    first, second = rows(1, case=case)
    (least,) = least_losses([MeasuredRows(first, second, one_batch())], 1e-3)
    assert least.high - least.low < 1e-3 * NATS_PER_BIT
    for seed, scale in enumerate((0.0, 1.0, 5.0)):
        logits = scale * jax.random.normal(jax.random.key(seed), (K, N, N))
        assert jax.jit(loss_of)(logits, jnp.asarray(first), jnp.asarray(second)) >= least.low - RESIDUAL


@pytest.mark.parametrize("case", ["full", "missing", "absent"])
def test_an_interior_point_method_finds_the_same(case):
    first, second = rows(2, case=case, n=8)
    (least,) = least_losses([MeasuredRows(first, second, one_batch(8))], 1e-4)
    left, right = batch_masses(first.astype(float), second.astype(float), np.ones(8, bool))
    p_y = left.sum(0)
    product = np.einsum("iy,jy->ijy", left, np.divide(right, p_y, out=np.zeros_like(right), where=p_y > 0))
    truth = broja_atoms(product[:, :, p_y > 0])
    assert least.low / NATS_PER_BIT - 1e-4 <= truth.unique_language <= least.high / NATS_PER_BIT + 1e-4


def test_batches_are_averaged_by_their_rows():
    first, second = rows(3)
    batches = EvaluationBatches(
        np.array([np.arange(20), np.r_[np.arange(20, 32), np.full(8, 31)]]), np.arange(20) < [[20], [12]]
    )
    parts = [np.arange(20), np.arange(20, 32)]
    both, *single = least_losses(
        [
            MeasuredRows(first, second, batches),
            *(MeasuredRows(first[part], second[part], one_batch(len(part))) for part in parts),
        ],
        1e-3,
    )
    for mean, values in zip(both, zip(*single, strict=True), strict=True):
        assert mean == pytest.approx((20 * values[0] + 12 * values[1]) / 32, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["full", "missing"])
def test_free_logits_trained_for_long_reach_it(case):
    first, second = rows(4, case=case)
    (least,) = least_losses([MeasuredRows(first, second, one_batch())], 1e-4)
    optimiser = optax.adam(0.1)

    def step(carry, _):
        logits, state = carry
        value, slope = jax.value_and_grad(loss_of)(logits, jnp.asarray(first), jnp.asarray(second))
        updates, state = optimiser.update(slope, state)
        return (optax.apply_updates(logits, updates), state), value

    start = jnp.zeros((K, N, N))
    _, values = jax.jit(lambda s: jax.lax.scan(step, (s, optimiser.init(s)), None, 1500))(start)
    assert least.low - RESIDUAL <= values[-1] <= least.high + 0.005


def excess_and_synergy(path):
    """Excess of a recorded fit, bits, with the gap, and its synergy."""
    tables = load(path).tables
    first, second, _ = (np.asarray(p) for p in tables.conditionals)
    batches = EvaluationBatches(np.asarray(tables.test_rows[0]), np.asarray(tables.test_mask[0]))
    (least,) = least_losses([MeasuredRows(first, second, batches)], 1e-3)
    with np.load(path) as record:
        _, _, loss, synergy = record["test_atoms_nats"].mean(0)
    return (loss - least.high) / NATS_PER_BIT, (least.high - least.low) / NATS_PER_BIT, synergy / NATS_PER_BIT


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_recorded_fits_are_above_it(path):
    excess, gap, _ = excess_and_synergy(path)
    assert gap < 1e-3
    assert excess > 0


@pytest.mark.slow
def test_the_recorded_negative_synergy_is_excess():
    (path,) = (path for path in FILES if path.stem == "mixed_k4")
    excess, _, synergy = excess_and_synergy(path)
    assert synergy == pytest.approx(-0.133, abs=1e-3)
    assert excess == pytest.approx(0.372, abs=2e-3)
