"""The exact estimator in sweeps: all rows of a run, no features, no training, no seeds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Shaped

from pid_jax.config import EXACT, EstimatorConfig
from pid_jax.estimators.exact.intervals import ItemInterval
from pid_jax.estimators.exact.problem import REACHED
from pid_jax.estimators.exact.strata import (
    StratifiedProblem,
    StratifiedSolution,
    enough_groups,
    solve_stratified,
    stratified_intervals,
)
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
        made = tuple(make_problem(workloads[run], key, config) for run, key, _ in problems)
        items = tuple((workloads[run].groups, workloads[run].sample_ids) for run, _, _ in problems)
        return RunningExact(made, items, config)


@dataclass(frozen=True)
class RunningExact:
    """Problems to be solved together, with the groups and the names of their items."""

    problems: tuple[StratifiedProblem, ...]
    items: tuple[tuple[Int[np.ndarray, " _"], Shaped[np.ndarray, " _"]], ...]
    config: EstimatorConfig

    def collect(self, advance: Callable[[int], None]) -> list[ExactOutcome]:
        """Solve them, then their half samples."""
        places = [place for place, problem in enumerate(self.problems) if max(problem.residuals) <= REACHED]
        solutions = solve_stratified([self.problems[place] for place in places], self.config.tol_bits)
        solution_of = dict(zip(places, solutions, strict=True))
        items = self._items(solution_of)
        advance(len(self.problems))
        return [
            ExactOutcome(problem, solution_of.get(place), self.config, self.items[place][1], items.get(place))
            for place, problem in enumerate(self.problems)
        ]

    def _items(self, solution_of: Mapping[int, StratifiedSolution]) -> dict[int, ItemInterval]:
        """Intervals over items, by place; none where a stratum has too few groups."""
        if self.config.interval == "none":
            return {}
        places = [place for place in solution_of if enough_groups(self.problems[place], self.items[place][0])]
        found = stratified_intervals(
            [self.problems[place] for place in places],
            [solution_of[place] for place in places],
            groups=[self.items[place][0] for place in places],
            method=self.config.interval,
            tol_bits=self.config.tol_bits,
            marginals=self.config.marginals,
        )
        return dict(zip(places, found, strict=True))


def make_problem(workload: Workload, key: ProblemKey, config: EstimatorConfig) -> StratifiedProblem:
    """All rows of a run at one layer, with equal weights."""
    rows = [np.asarray(p, np.float64) for p in workload.rows[key.layer, key.tau].conditionals]
    first, second, joint = (p / p.sum(1, keepdims=True) for p in rows)
    weights = np.full(len(joint), 1 / len(joint))
    labels = workload.num_options if config.strata == "options" else None
    return StratifiedProblem.of(first, second, joint, weights, config.marginals, labels)
