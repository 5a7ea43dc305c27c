"""Standard errors of means over groups, and their degrees of freedom."""

import numpy as np
import pytest

from pid_lvlm.data.grouped_mean import grouped_mean

GROUPS = 40


def centred(values):
    """Group sums of weight times deviation, for values (groups, n) of equal weight."""
    return (values - values.mean(0)) / len(values)


def test_the_standard_error_is_that_of_a_mean():
    values = np.random.default_rng(0).gamma(2, size=(GROUPS, 3))
    found = grouped_mean(centred(values), GROUPS)
    np.testing.assert_allclose(found.standard_error, values.std(0, ddof=1) / np.sqrt(GROUPS), rtol=1e-12)


@pytest.mark.parametrize(
    ("draw", "kurtosis"),
    [
        (lambda rng, size: rng.normal(size=size), 3),
        (lambda rng, size: rng.uniform(size=size), 1.8),
        (lambda rng, size: rng.binomial(1, 0.1, size=size).astype(float), 1 / (0.1 * 0.9) - 3),
    ],
)
def test_the_degrees_of_freedom_are_those_of_the_variance(draw, kurtosis):
    """2 / CV² of the estimated variance, which is known for each of these distributions."""
    groups = 2000
    values = draw(np.random.default_rng(1), (groups, 200))
    found = grouped_mean(centred(values), groups)
    variances = found.standard_error**2
    measured = 2 * (variances.mean() / variances.std(ddof=1)) ** 2
    known = 2 * groups / (kurtosis - (groups - 3) / (groups - 1))
    assert measured == pytest.approx(known, rel=0.3)  # the variance of 200 variances: 10 % per standard deviation
    assert np.median(found.freedom) == pytest.approx(min(known, groups - 1), rel=0.03)


def test_few_groups_that_carry_a_value_leave_few_degrees_of_freedom():
    one, four = np.zeros(GROUPS), np.zeros(GROUPS)
    one[0], four[:4] = 1, 1
    spread = np.tile([-1.0, 1.0], GROUPS // 2)
    found = grouped_mean(centred(np.stack([one, four, spread, np.ones(GROUPS)], axis=1)), GROUPS)
    assert 2 <= found.freedom[0] < 2.2
    assert 8 < found.freedom[1] < 12
    np.testing.assert_array_equal(found.freedom[2:], GROUPS - 1)
    assert found.standard_error[3] == 0


def test_scale_and_groups_without_weight_change_nothing():
    sums = centred(np.random.default_rng(2).exponential(size=(GROUPS, 2)))
    whole = grouped_mean(sums, GROUPS)
    np.testing.assert_allclose(grouped_mean(sums * 1e-120, GROUPS).freedom, whole.freedom, rtol=1e-12)
    padded = grouped_mean(np.concatenate([sums, np.zeros((7, 2))]), GROUPS)
    np.testing.assert_allclose(padded, whole, rtol=1e-12)
