"""Parts of the solver's linear algebra and of the gauge's graph, against plain versions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pid_jax.estimators.exact import pointwise
from pid_jax.estimators.exact.penalty.newton import _invert


@pytest.mark.parametrize("options", [1, 2, 4, 10])
@pytest.mark.parametrize("smallest", [1e-9, 1e-2])
def test_inverses_of_all_rows(options, smallest):
    random = np.random.default_rng(options)
    bases = np.linalg.qr(random.normal(size=(50, options, options)))[0]
    spectra = np.geomspace(smallest, 1, options) if options > 1 else np.array([smallest])
    matrices = (bases * spectra) @ bases.transpose(0, 2, 1)
    inverted = matrices.transpose(1, 2, 0).copy()
    _invert(inverted)
    found, true = inverted.transpose(2, 0, 1), np.linalg.inv(matrices)
    assert np.abs(found - true).max() <= 1e-15 / smallest * np.abs(true).max() + 1e-14 * np.abs(true).max()


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(1, 60), st.sampled_from([0.0, 0.02, 0.1, 0.5, 1.0]))
def test_few_edges_have_the_components_of_all(seed, first, second, share):
    random = np.random.default_rng(seed)
    a, b = random.random((first, 3)) ** 3, random.random((second, 3)) ** 3
    left, right = random.random(first) < 0.8, random.random(second) < 0.8
    left[0] = right[0] = True
    slack = float(np.quantile(1 - a @ b.T, share))
    found = np.concatenate(pointwise._components(a, b, left, right, slack))

    rows, columns = np.nonzero((a @ b.T >= 1 - slack) & left[:, None] & right)
    size = first + second
    graph = coo_array((np.ones(len(rows)), (rows, columns + first)), shape=(size, size))
    _, true = connected_components(graph, directed=False)
    assert len({*zip(found, true, strict=True)}) == len({*found}) == len({*true})


def test_components_reach_across_blocks(monkeypatch):
    monkeypatch.setattr(pointwise, "BLOCK", 2)
    chain = np.eye(6)
    a, b = chain[:5] + chain[1:], chain[:5]  # row i touches columns i and i + 1
    every = np.ones(5, bool)
    left, right = pointwise._components(a, b, every, every, 0.5)
    assert {*left, *right} == {left[0]}
    left, right = pointwise._components(a, b, np.array([True, True, False, True, True]), every, 0.5)
    assert len({*left, *right}) == 3
