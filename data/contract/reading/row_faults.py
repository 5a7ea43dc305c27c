"""Turns rows of an array that break a rule into faults."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pid_lvlm.data.errors import Fault

MAX_ROWS_PER_RULE: Final = 5
"""Maximum rows shown per rule and array; a systematic fault need not print a thousand lines."""


def row_faults(file: str, name: str, bad: NDArray, message: str) -> Iterator[Fault]:
    """A fault for each of the first rows with any `bad` entry.

    Args:
        file: file of the array.
        name: name of the array.
        bad: (n, …) booleans.
        message: what is wrong, a clause about the array.
    """
    rows = np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1))
    for row in rows[:MAX_ROWS_PER_RULE]:
        more = f" (and {len(rows) - MAX_ROWS_PER_RULE} more rows)" if len(rows) > MAX_ROWS_PER_RULE else ""
        yield Fault(file, message + more, name, int(row))
        if more and row == rows[0]:
            return
