"""The exact estimator in sweeps: all rows of a run, no features, no training, no seeds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pid_jax.config import EXACT, EstimatorConfig
from pid_jax.estimators.exact.problem import REACHED, ExactProblem, solve_problems
from pid_jax.problems.build import Workload
from pid_jax.problems.types import ProblemKey
from pid_jax.results.exact_outcome import ExactOutcome
from pid_jax.sweep.protocol import Chunk, Group, Machine, ProblemRef, RunPlan, Share
from pid_lvlm.data import RunOutline
from pid_lvlm.data.command.shown import count

PROBLEMS_PER_CHUNK = 16
"""Problems whose rows are saved together: what a kill loses."""


class Exact:
    """The BROJA optimum of the conditionals, certified."""

    name = EXACT

    def keys(self, layers: Sequence[int], config: EstimatorConfig) -> tuple[ProblemKey, ...]:
        """Every layer under every tau; features, and so poolings, do not matter."""
        return tuple(ProblemKey(layer, tau, "", self.name) for tau in config.taus for layer in layers)

    def shapes(self, outline: RunOutline, config: EstimatorConfig) -> tuple[None, None]:
        """No batches; the solver chooses shapes by itself, after equal rows are merged."""
        return None, None

    def fits(self, config: EstimatorConfig) -> int:
        """One."""
        return 1

    def group(self, runs: Sequence[RunPlan], config: EstimatorConfig, machine: Machine, share: Share) -> list[Group]:
        """One group in chunks of `PROBLEMS_PER_CHUNK`."""
        everything = [
            ProblemRef(position, key, name)
            for position, run in enumerate(runs)
            if run.estimator == self.name
            for key, name in zip(run.keys, run.ids, strict=True)
        ]
        problems = [problem for problem in everything[share.part.share(everything)] if share.wanted(problem.id)]
        if not problems:
            return []
        starts = range(0, len(problems), PROBLEMS_PER_CHUNK)
        return [Group(self.name, tuple(Chunk(tuple(problems[i : i + PROBLEMS_PER_CHUNK])) for i in starts))]

    def describe(self, group: Group, config: EstimatorConfig) -> str:
        """How many problems in how many chunks."""
        return (
            f"exact: {count(group.num_problems, 'problem')} to {config.tol_bits:g} bits, "
            f"{count(len(group.chunks), 'chunk')}"
        )

    def start(
        self, workloads: Mapping[int, Workload], problems: Sequence[ProblemRef], group: Group, config: EstimatorConfig
    ) -> "RunningExact":
        """The problems of a chunk; they are solved when they are collected."""
        return RunningExact(tuple(make_problem(workloads[run], key, config) for run, key, _ in problems), config)


@dataclass(frozen=True)
class RunningExact:
    """Problems to be solved together."""

    problems: tuple[ExactProblem, ...]
    config: EstimatorConfig

    def collect(self, advance: Callable[[int], None]) -> list[ExactOutcome]:
        """Solve them."""
        reachable = [place for place, problem in enumerate(self.problems) if problem.residual <= REACHED]
        advance(len(self.problems) - len(reachable))
        solutions = solve_problems([self.problems[place] for place in reachable], self.config.tol_bits)
        advance(len(reachable))
        solution_of = dict(zip(reachable, solutions, strict=True))
        return [
            ExactOutcome(
                problem, solution_of.get(place), self.config.tol_bits, self.config.marginals, self.config.strata
            )
            for place, problem in enumerate(self.problems)
        ]


def make_problem(workload: Workload, key: ProblemKey, config: EstimatorConfig) -> ExactProblem:
    """All rows of a run at one layer, with equal weights."""
    rows = [np.asarray(p, np.float64) for p in workload.rows[key.layer, key.tau].conditionals]
    first, second, joint = (p / p.sum(1, keepdims=True) for p in rows)
    return ExactProblem.of(first, second, joint, np.full(len(joint), 1 / len(joint)), config.marginals)
