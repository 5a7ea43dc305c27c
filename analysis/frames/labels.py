"""Labels of atoms, and the format of numbers in bits."""

import math
from typing import Final

from pid_lvlm.data.names import ATOMS

SYMBOLS: Final = dict(zip(ATOMS, ("R", "U1", "U2", "S"), strict=True))

WORDS: Final = dict(
    zip(ATOMS, ("redundancy", "vision-unique information", "language-unique information", "synergy"), strict=True)
)

LEGEND: Final = dict(zip(ATOMS, ("R redundancy", "U1 vision-unique", "U2 language-unique", "S synergy"), strict=True))
"""Symbol and word, for legends, in the order of the atoms."""


def bits(value: float) -> str:
    """A number in bits to two decimals, without a negative zero.

    >>> bits(1.234), bits(-0.001)
    ('1.23', '0.00')
    """
    return f"{round(value, 2) + 0.0:.2f}"


def interval(low: float | None, high: float | None) -> str:
    """An interval in brackets to two decimals; empty if an end is unknown."""
    return "" if low is None or high is None else f"[{bits(low)}, {bits(high)}]"


def rounded_up(value: float) -> str:
    """A small positive number, rounded up to one significant digit.

    >>> rounded_up(0.00062), rounded_up(0.0)
    ('0.0007', '0')
    """
    if value <= 0:
        return "0"
    unit = 10.0 ** math.floor(math.log10(value))
    return f"{math.ceil(value / unit - 1e-9) * unit:.1g}"


def p_value(p: float) -> str:
    """A p value to three decimals.

    >>> p_value(0.0412), p_value(0.00004)
    ('p = 0.041', 'p < 0.001')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
