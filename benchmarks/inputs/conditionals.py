"""Conditionals like those of multiple-choice benchmarks, for the exact estimator."""

from typing import Final

import numpy as np

from pid_jax.estimators.exact.rows import merge_rows, reconcile

REGIMES: Final = ("sharp", "plain", "flat", "mixed", "half uniform", "skewed", "fewer options", "certain")


def problem(regime: str, n: int, k: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Joint masses of two sources with one P(Y)."""
    rng = np.random.default_rng(seed)
    scales = {"sharp": 8.0, "flat": 0.3, "mixed": np.where(rng.random(n) < 0.5, 10.0, 1.0)[:, None]}
    scale = scales.get(regime, 2.0)
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
    first, second = (merge_rows(one.p, one.weights).masses for one in found)
    return first, second


def random_problem(number: int) -> tuple[np.ndarray, np.ndarray]:
    """One of many problems: K 2 to 10, n 64 to 1083, every regime."""
    rng = np.random.default_rng([12, number])
    n = int(np.exp(rng.uniform(np.log(64), np.log(1084))))
    return problem(REGIMES[number % len(REGIMES)], n, int(rng.integers(2, 11)), number)
