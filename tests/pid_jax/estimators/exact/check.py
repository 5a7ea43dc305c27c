"""An independent check of a solved problem in plain numpy."""

import numpy as np


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
