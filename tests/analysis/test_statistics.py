import itertools

import numpy as np
import pytest
from scipy import stats

from pid_lvlm.analysis.statistics import SEED, holm, paired_means, sign_test, spearman


@pytest.fixture(scope="module")
def pairs():
    rng = np.random.default_rng(3)
    first = rng.normal(size=26)
    return first, 0.6 * first + rng.normal(size=26)


def test_spearman_is_scipys(pairs):
    found, wanted = spearman(*pairs), stats.spearmanr(*pairs)
    assert (found.rho, found.p) == pytest.approx((wanted.statistic, wanted.pvalue), abs=1e-9)
    assert found.count == 26


def test_its_interval_is_that_of_bonett_and_wright(pairs):
    """Their interval by hand: tanh(atanh(r) +- 1.96 sqrt((1 + r^2 / 2) / (n - 3)))."""
    found = spearman(*pairs)
    half = stats.norm.ppf(0.975) * np.sqrt((1 + found.rho**2 / 2) / 23)
    ends = np.tanh(np.arctanh(found.rho) + half * np.array([-1, 1]))
    assert [found.low, found.high] == pytest.approx(ends.tolist())


@pytest.mark.slow
def test_its_interval_covers_the_true_coefficient_of_normal_data():
    """rho = 6 / pi asin(r / 2) of a normal distribution with correlation r = 0.7."""
    rng, true = np.random.default_rng(0), 6 / np.pi * np.arcsin(0.35)
    covered = 0
    for _ in range(2000):
        first, noise = rng.normal(size=(2, 26))
        found = spearman(first, 0.7 * first + np.sqrt(1 - 0.49) * noise)
        covered += found.low <= true <= found.high
    assert 0.925 <= covered / 2000 <= 0.975


def test_p_of_few_models_is_a_share_of_all_orderings():
    first, second = [1, 2, 3, 4, 5], [1, 3, 2, 4, 5]
    rhos = [stats.spearmanr(first, order).statistic for order in itertools.permutations(second)]
    assert spearman(first, second).p == pytest.approx(np.mean(np.abs(rhos) >= 0.9 - 1e-9))
    assert spearman([1, 2, 3, 4], [1, 2, 3, 4]).p == pytest.approx(2 / 24)


def test_a_correlation_of_1_has_no_interval():
    found = spearman(range(10), range(10))
    assert (found.rho, found.low, found.high) == (1, None, None)


@pytest.mark.parametrize("values", [([1, 2, 3], [1, 2, 3]), ([1, 2, 3, 4], [2, 2, 2, 2]), ([], [])])
def test_too_few_or_constant_values_have_no_correlation(values):
    found = spearman(*values)
    assert (found.rho, found.p, found.low, found.high, found.count) == (None, None, None, None, len(values[0]))


def test_means_have_scipys_percentile_intervals(pairs):
    found = paired_means(*pairs)
    wanted = stats.bootstrap(
        pairs,
        lambda one, other, axis: (one - other).mean(axis=axis),
        paired=True,
        method="percentile",
        n_resamples=9999,
        batch=4_000_000 // (8 * 26),
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    assert found.difference.value == pytest.approx((pairs[0] - pairs[1]).mean())
    assert (found.difference.low, found.difference.high) == pytest.approx((wanted.low, wanted.high))
    assert found.first.low < found.first.value < found.first.high


def test_the_bootstrap_is_reproducible_and_bounded_for_many_models():
    values = np.random.default_rng(1).random((2, 4000))
    assert paired_means(*values) == paired_means(*values)


def test_a_pair_that_differs_by_a_constant_has_a_difference_without_spread():
    """Resampled together: the difference is 1 in every resample, though each mean varies."""
    first = np.arange(10.0)
    found = paired_means(first + 1, first)
    assert (found.difference.low, found.difference.high) == pytest.approx((1, 1))
    assert found.first.low < 4.5


def test_three_values_have_means_without_intervals():
    found = paired_means([1, 2, 3], [1, 1, 1])
    assert (found.first.value, found.first.low, found.difference.high, found.count) == (2, None, None, 3)


@pytest.mark.parametrize(
    ("values", "message"),
    [(([], []), "at least one value"), (([1, 2], [1]), "equally many"), (([1, float("nan")], [1, 2]), "not finite")],
)
def test_values_that_cannot_be_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        paired_means(*values)


def test_the_sign_test_is_the_binomial_test():
    found = sign_test([1, 2, 3, 4, 5, -1, 0])
    assert (found.above, found.below) == (5, 1)
    assert found.p == pytest.approx(stats.binomtest(5, 6).pvalue)
    assert sign_test([0, 0]).p is None


def test_holm_agrees_with_its_definition():
    """The smallest p value times m, the next times m - 1, and so on, never falling, at most 1."""
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.9, 0.001, 0.5]) == pytest.approx([1.0, 0.003, 1.0])
    assert holm([]) == []
