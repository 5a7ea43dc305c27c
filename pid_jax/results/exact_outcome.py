"""A problem that the exact estimator solved, as a row of the result table."""

from collections.abc import Mapping
from dataclasses import dataclass

from pid_jax.estimators.exact.problem import REACHED, ExactProblem, ExactSolution
from pid_jax.information import AtomsInBits, InformationTerms, bits_from_nats
from pid_jax.results.columns import Columns, atom_columns, term_columns
from pid_jax.results.solution import Result
from pid_lvlm.data.names import NATS_PER_BIT


@dataclass(frozen=True)
class ExactOutcome:
    """Certified bounds and what is known around them.

    Attributes:
        problem: the reconciled rows.
        solution: the certified optimum; None where the sources cannot be brought to one P(Y).
        tol_bits: how wide the certified interval may be.
        marginals: how the sources were brought to one P(Y).
    """

    problem: ExactProblem
    solution: ExactSolution | None
    tol_bits: float
    marginals: str
    strata: str

    @property
    def result(self) -> Result:
        """The outcome, the gravest first."""
        if self.solution is None or self.problem.residual > REACHED:
            return Result.MARGINALS_UNREACHABLE
        if self.solution.i12 < self.solution.low - self.tol_bits * NATS_PER_BIT:
            return Result.JOINT_KNOWS_LESS
        if self.solution.gap_bits > self.tol_bits:
            return Result.WIDE_INTERVAL
        return Result.SUCCESSFUL

    def columns(self, ground_truth: Mapping[str, float] | None) -> Columns:
        """Middles of the certified intervals, their ends, and the interval over items, bits."""
        settings: Columns = {"marginals": self.marginals, "strata": self.strata}
        if self.solution is None:
            return settings
        solution = self.solution
        ends = [solution.atoms(iq).in_bits() for iq in (solution.low, solution.high)]
        terms = InformationTerms(solution.i1, solution.i2, solution.i12, solution.iq).in_bits()
        return {
            **atom_columns(
                solution.atoms().in_bits(),
                ground_truth,
                certified_low=AtomsInBits(*map(min, *ends)),
                certified_high=AtomsInBits(*map(max, *ends)),
            ),
            **term_columns(terms),
            **settings,
            "gap": bits_from_nats(solution.high - solution.low),
        }
