"""Fits that are not made: for tests of what is read, kept and written around them."""

from collections.abc import Callable

import numpy as np

from pid_jax.information import InformationTerms
from pid_jax.results.solution import Solution
from pid_jax.sweep.stack import Stack


class FakeFits:
    """Stands in for fits on a device: every atom is 0, at once. `log` is told "fitted"."""

    def __init__(self, stack: Stack, log: list[str] | None = None) -> None:
        self.fits, self.problems = len(stack.owners), len({owner.problem for owner in stack.owners})
        self.log = [] if log is None else log

    def collect(self, advance: Callable[[int], None]) -> list[Solution]:
        self.log.append("fitted")
        advance(self.fits)
        seeds = self.fits // self.problems
        nothing = Solution(InformationTerms(*np.zeros((4, seeds))), np.zeros((seeds, 2)), np.zeros(seeds))
        return [nothing] * self.problems
