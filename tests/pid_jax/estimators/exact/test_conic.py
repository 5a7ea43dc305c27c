"""The certified interval against a conic solver's optimum, which has bounds of its own."""

import numpy as np
import pytest

import pid_jax
from benchmarks.baselines.conic import conic_optimum
from benchmarks.inputs.random_rows import KINDS, draw_rows

ACCURACY_BITS = 2e-5
"""Between the conic solver's own bounds: small against the widths below, or the comparison would say nothing."""
ROUNDING_BITS = 1e-9


def check(kind, rows, options, seed, tol_bits=1e-4):
    drawn = draw_rows(KINDS[kind], rows, options, seed)
    conic = conic_optimum(drawn.p_y_x1 / rows, drawn.p_y_x2 / rows)
    found = pid_jax.exact(drawn.p_y_x1, drawn.p_y_x2, drawn.p_y_x1x2, tol_bits=tol_bits, marginals="as-given")
    assert conic.low - ROUNDING_BITS <= conic.high <= conic.low + ACCURACY_BITS
    assert found.gap_bits <= tol_bits
    assert found.i_coupling_low_bits <= conic.high + ROUNDING_BITS
    assert found.i_coupling_high_bits >= conic.low - ROUNDING_BITS


@pytest.mark.parametrize("kind", ["plain", "sharp", "missing options"])
def test_the_interval_contains_the_conic_optimum(kind):
    check(kind, rows=20, options=4, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("options", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("kind", KINDS)
def test_the_interval_contains_the_conic_optimum_everywhere(kind, options):
    for seed, rows in enumerate((12, 32), start=1):
        check(kind, rows, options, seed)


def test_the_conic_bounds_of_a_closed_form():
    """Two bits, of which the label is their conjunction: I_q = I(X1;Y) = I(X2;Y), 0.311 bits."""
    source = np.array([[2.0, 0.0], [1.0, 1.0]]) / 4
    found = conic_optimum(source, source)
    assert found.low - ROUNDING_BITS <= 0.75 * np.log2(4 / 3) <= found.high + ROUNDING_BITS
    assert found.high - found.low <= ACCURACY_BITS
