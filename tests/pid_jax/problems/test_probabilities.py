"""Option probabilities: rows sum to 1 over the real options, and the fallback is explicit and counted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pid_jax.problems.probabilities import best_option, option_probabilities


@st.composite
def scores(draw):
    n, layers, k = draw(st.integers(1, 8)), draw(st.integers(1, 3)), draw(st.integers(2, 6))
    options = np.array(draw(st.lists(st.integers(2, k), min_size=n, max_size=n)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    loglik = rng.uniform(-8, -0.01, size=(n, layers, k)).astype(np.float32)
    loglik[np.broadcast_to(np.arange(k) >= options[:, None, None], loglik.shape)] = -np.inf
    return loglik, options


@given(scores(), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_rows_sum_to_one_over_real_options(case, tau):
    loglik, options = case
    p, uniform = option_probabilities(loglik, options, tau)
    np.testing.assert_allclose(p.sum(-1), 1, atol=1e-6)
    assert (p[loglik == -np.inf] == 0).all()
    total = np.exp(loglik.astype(np.float64)).sum(-1)
    np.testing.assert_array_equal(uniform, total < tau)
    trusted = p[~uniform]
    np.testing.assert_allclose(trusted, (np.exp(loglik) / total[..., None])[~uniform], rtol=1e-4, atol=1e-6)


def test_threshold_by_hand():
    loglik = np.log(np.array([[0.2, 0.05, 0.0, 0.0], [0.3, 0.1, 0.0, 0.0]], dtype=np.float32) + 1e-30)
    loglik[:, 2:] = -np.inf
    p, uniform = option_probabilities(loglik, np.array([2, 2]), tau=0.3)
    np.testing.assert_array_equal(uniform, [True, False])
    np.testing.assert_allclose(p, [[0.5, 0.5, 0, 0], [0.75, 0.25, 0, 0]], atol=1e-6)


def test_published_fallback_spreads_over_four_letters():
    loglik = np.full((1, 4), -np.inf, dtype=np.float32)
    loglik[0, :2] = -9
    p, _ = option_probabilities(loglik, np.array([2]), tau=0.3, fallback="four")
    np.testing.assert_allclose(p, [[0.25] * 4])


def test_no_probability_at_all_is_uniform_even_without_threshold():
    loglik = np.full((1, 3), -1e4, dtype=np.float32)
    p, uniform = option_probabilities(loglik, np.array([3]), tau=0.0)
    assert uniform.all()
    np.testing.assert_allclose(p, 1 / 3, rtol=1e-6)


@pytest.mark.parametrize("k", [2, 4])
def test_best_option_ignores_missing_ones(k):
    loglik = np.full((1, k), -np.inf)
    loglik[0, 1] = -3
    assert best_option(loglik).tolist() == [1]
