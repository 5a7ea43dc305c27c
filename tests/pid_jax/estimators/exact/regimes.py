"""Problems as a benchmark's conditionals may be, and an independent check of their solution in plain numpy."""

import numpy as np

from pid_jax.estimators.exact.rows import merge_rows, reconcile

REGIMES = ("sharp", "plain", "flat", "mixed", "half uniform", "skewed", "fewer options", "certain")


def problem(regime, n, k, seed):
    """Joint masses of two sources with one P(Y)."""
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
    return tuple(merge_rows(one.p, one.weights).masses for one in found)


def random_problem(number):
    """One of many: K 2 to 10, n 64 to 1083, every regime."""
    rng = np.random.default_rng([12, number])
    n = int(np.exp(rng.uniform(np.log(64), np.log(1084))))
    return problem(REGIMES[number % len(REGIMES)], n, int(rng.integers(2, 11)), number)


def entropy(p):
    return -xlogx(p).sum()


def xlogx(x):
    return x * np.log(np.where(x > 0, x, 1.0))


def dual_value(masses, potentials):
    """H(Y) + ⟨P, log A⟩ + ⟨R, log B⟩ of a feasible point, nats."""
    a, b = potentials
    assert (a @ b.T).max() <= 1 + 1e-12
    value = entropy(masses[0].sum(0))
    for part, potential in zip(masses, potentials, strict=True):
        assert (potential[part > 0] > 0).all()
        value += (part * np.log(np.where(part > 0, potential, 1.0))).sum()
    return value


def coupling_information(masses, q):
    """I_q of a coupling that has these marginals, nats."""
    assert q.min() >= 0
    np.testing.assert_allclose(q.sum(1), masses[0], rtol=0, atol=1e-14)
    np.testing.assert_allclose(q.sum(0), masses[1], rtol=0, atol=1e-14)
    value = entropy(q.sum((0, 1))) - xlogx(q.sum(2)).sum()
    return value + sum(xlogx(q[..., y]).sum() for y in range(q.shape[2]))


def trivial_bounds(masses):
    """The largest of I1 and I2, and the least of H(Y) and I1 + I2, nats."""
    h = entropy(masses[0].sum(0))
    i1, i2 = (xlogx(part).sum() - xlogx(part.sum(1)).sum() + h for part in masses)
    return max(i1, i2), min(h, i1 + i2)
