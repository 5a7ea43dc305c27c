"""Fits that are not made: for tests of what is read, kept and written around them."""

from collections.abc import Callable, Sequence

import numpy as np

from pid_jax.estimators.exact.problem import ExactProblem, ExactSolution, information
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


def fake_solutions(problems: Sequence[ExactProblem], tol_bits: float, devices: int = 1) -> list[ExactSolution]:
    """Stands in for `solve_problems`: the bounds that every problem has without a solver."""
    found = []
    for problem in problems:
        i1, i2 = (information(source.weights[:, None] * source.p) for source in problem.sources)
        ones = tuple(np.ones_like(source.p) for source in problem.sources)
        found.append(ExactSolution(i1, i2, problem.i_joint, max(i1, i2), max(i1, i2), 0.0, (ones[0], ones[1])))
    return found
