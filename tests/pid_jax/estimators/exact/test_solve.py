"""The solver over regimes: narrow intervals, checked by plain numpy; padding and stacking change nothing."""

import numpy as np
import pytest

from pid_jax.estimators.exact.rows import merge_rows, pad_rows, reconcile
from pid_jax.estimators.exact.stacks import solve_stack as solve
from pid_lvlm.data.names import NATS_PER_BIT

REGIMES = ("sharp", "plain", "flat", "mixed", "half uniform", "skewed", "fewer options", "certain")


def problem(regime, n, k, seed):
    """Joint masses of two sources with one P(Y), as a benchmark's conditionals may be."""
    rng = np.random.default_rng(seed)
    scale = {"sharp": 8.0, "flat": 0.3, "mixed": np.where(rng.random(n) < 0.5, 10.0, 1.0)[:, None]}.get(regime, 2.0)
    shared = rng.normal(size=(n, k))
    logits = [scale * (shared + rng.normal(size=(n, k))) for _ in range(2)]
    if regime == "skewed":
        logits = [values - 2.0 * np.arange(k) for values in logits]
    p = [np.exp(values - values.max(1, keepdims=True)) for values in logits]
    if regime == "half uniform":
        p = [np.where(rng.random((n, 1)) < 0.5, 1.0, values) for values in p]
    if regime == "fewer options":
        has = np.arange(k) < rng.integers(2, k + 1, size=n)[:, None]
        p = [np.where(has, values, 0.0) for values in p]
    if regime == "certain":
        p = [np.where(rng.random((n, 1)) < 0.5, np.eye(k)[values.argmax(1)] + 1e-9, values) for values in p]
    p = [values / values.sum(1, keepdims=True) for values in p]
    weights = np.full(n, 1 / n)
    target = (p[0].mean(0) + p[1].mean(0)) / 2
    found = [reconcile(values, weights, target, "tilt") for values in p]
    assert max(one.residual for one in found) < 1e-9
    return [merge_rows(one.p, one.weights).masses for one in found]


def stacked(problems, size):
    return [np.stack([pad_rows(one[side], size) for one in problems]) for side in (0, 1)]


def check(first, second, bounds, number):
    """Feasibility and the lower bound by plain numpy, and the trivial bounds."""
    a, b = bounds.first[number], bounds.second[number]
    assert (a @ b.T).max() <= 1 + 1e-12
    p_y = first.sum(0)
    value = -(p_y[p_y > 0] * np.log(p_y[p_y > 0])).sum()
    for masses, potential in ((first, a), (second, b)):
        value += (masses * np.log(np.where(masses > 0, potential, 1.0))).sum()
    assert value == pytest.approx(bounds.dual_low[number], abs=1e-9)
    assert bounds.low[number] >= value - 1e-9
    assert bounds.low[number] <= bounds.high[number]


def test_every_regime_of_one_shape_in_one_stack():
    problems = [problem(regime, 30, 4, seed) for seed, regime in enumerate(REGIMES)]
    first, second = stacked(problems, 32)
    bounds = solve(first, second, 1e-3)
    assert (bounds.gap_bits <= 1e-3).all()
    for number in range(len(problems)):
        check(first[number], second[number], bounds, number)
    alone = solve(first[1:2], second[1:2], 1e-3)  # the shape of tests/pid_jax/test_exact_decomposition.py
    assert alone.low[0] <= bounds.high[1] + 1e-12
    assert bounds.low[1] <= alone.high[0] + 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("k", [2, 3, 6, 10])
@pytest.mark.parametrize("n", [64, 250])
def test_every_regime_over_sizes(n, k):
    problems = [problem(regime, n, k, 100 * k + seed) for seed, regime in enumerate(REGIMES)]
    first, second = stacked(problems, n + 6)
    bounds = solve(first, second, 1e-4)
    assert (bounds.gap_bits <= 1e-3).all(), dict(zip(REGIMES, bounds.gap_bits, strict=True))
    assert np.quantile(bounds.gap_bits, 0.9) <= 2e-4
    for number in range(len(problems)):
        check(first[number], second[number], bounds, number)


@pytest.mark.slow
def test_padding_changes_nothing():
    first, second = problem("plain", 40, 4, 7)
    small = solve(*stacked([(first, second)], 64), 1e-3)
    large = solve(*stacked([(first, second)], 96), 1e-3)
    assert small.low[0] == pytest.approx(large.low[0], abs=1e-5 * NATS_PER_BIT)
    assert small.low[0] <= large.high[0]
    assert large.low[0] <= small.high[0]
