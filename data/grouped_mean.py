"""Uncertainty of a mean over items that come in groups, for pid-estimate and for comparisons made from its tables."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class GroupedMean(NamedTuple):
    """How uncertain means over groups of items are.

    Attributes:
        standard_error: standard error of each mean, shape (values,).
        freedom: degrees of freedom of each standard error, shape (values,).
    """

    standard_error: NDArray[np.float64]
    freedom: NDArray[np.float64]


def grouped_mean(sums: NDArray[np.float64], groups: int) -> GroupedMean:
    """Standard errors of means over independent groups, and how many degrees of freedom these have.

    With s_g the sum over group g of weight times deviation from the mean, and m groups, the variance is
    m / (m - 1) Σ s_g². The degrees of freedom are Satterthwaite's, 2 / CV² with CV the coefficient of variation of that
    sum, from the kurtosis m Σ s_g⁴ / (Σ s_g²)² of the groups. They are about m - 1 (and at most that) for a normal
    distribution, and few if few groups carry the value: the standard error is then itself uncertain.

    Args:
        sums: s_g of each value, shape (groups, values); rows of 0 for groups without weight.
        groups: m, the number of groups with weight, at least 2.
    """
    total = np.sqrt((sums**2).sum(0))
    shares = np.divide(sums, total, out=np.zeros_like(sums), where=total > 0)
    concentration = np.maximum((shares**4).sum(0), 1 / groups)
    squared_variation = concentration - (groups - 3) / (groups * (groups - 1))
    return GroupedMean(np.sqrt(groups / (groups - 1)) * total, np.minimum(groups - 1.0, 2 / squared_variation))
