"""Large problems with nearly equal rows: solve for cells of rows where the cells lose next to nothing.

Cells C1, C2 of the rows are less informative than the rows, so the optimum for cells is a lower bound. If a coupling of
the cells is extended to the rows by q(x1, x2, y) = q(c1, c2, y) p(x1|c1, y) p(x2|c2, y), the marginals are right and
I(X1,X2;Y) is at most I(C1,C2;Y) + I(X1;Y|C1) + I(X2;Y|C2). So the interval is wider by what the cells lose.
"""

from typing import Final

import numpy as np
from jaxtyping import Float, Int

from pid_jax.estimators.exact.penalty.bounds import ROUNDING, DualPoint, information
from pid_jax.estimators.exact.penalty.cells import nested_cells, sum_cells
from pid_jax.estimators.exact.penalty.continuation import Certified, solve_continuation
from pid_jax.estimators.exact.penalty.listing import MOST_ALL
from pid_lvlm.data.names import NATS_PER_BIT

MOST_CELLS: Final = 6000
"""Cells per source: their pairs can all be summed over."""

MOST_LOST: Final = 0.2
"""Share of the tolerance that the cells may lose."""


def solve_rows_or_cells(
    first: Float[np.ndarray, "n1 k"], second: Float[np.ndarray, "n2 k"], tol_bits: float
) -> Certified:
    """`solve_continuation`, for cells if there are very many pairs of rows and cells lose little.

    With nearly equal rows a good part of all pairs carries mass, so a list of them would be long.

    Args:
        first: joint masses of source 1 and the label, float64, every row above 0.
        second: those of source 2, with the same column sums.
        tol_bits: maximum width of the interval, bits.
    """
    if len(first) * len(second) <= MOST_ALL:
        return solve_continuation(first, second, tol_bits)
    rows = (first, second)
    places = [_cells(part) for part in rows]
    cells = [sum_cells(part, place) for part, place in zip(rows, places, strict=True)]
    lost = sum(max(information(part) - information(cell), 0.0) for part, cell in zip(rows, cells, strict=True))
    if lost > MOST_LOST * tol_bits * NATS_PER_BIT:
        return solve_continuation(first, second, tol_bits)
    found = solve_continuation(cells[0], cells[1], tol_bits - lost / NATS_PER_BIT)
    a, b = (
        np.where(part > 0, x[place], 0.0)
        for part, place, x in zip(rows, places, (found.dual.first, found.dual.second), strict=True)
    )
    high = max(found.high + lost + ROUNDING, found.low)
    return Certified(found.low, high, DualPoint(found.dual.value, a, b), None)


def _cells(part: Float[np.ndarray, "n k"]) -> Int[np.ndarray, " n"]:
    """The cell of each row."""
    return nested_cells(part, [MOST_CELLS])[0] if len(part) > MOST_CELLS else np.arange(len(part))
