"""The exact estimator in sweeps: uses all rows of a run, no features, no training, no seeds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from pid_jax.config import EXACT, EstimatorConfig
from pid_jax.estimators.exact.crossed.estimates import CrossedGiven, estimate_crossed
from pid_jax.estimators.exact.crossed.pairs import CrossedPairs
from pid_jax.estimators.exact.over_items.intervals import ItemInterval
from pid_jax.estimators.exact.penalty.host import WORTH_PROCESSES, work_of
from pid_jax.estimators.exact.problem import REACHED, GivenRows
from pid_jax.estimators.exact.spread import MarginalsSpread, Way, marginals_spreads
from pid_jax.estimators.exact.strata import (
    StratifiedProblem,
    StratifiedSolution,
    enough_groups,
    solve_stratified,
    stratified_intervals,
)
from pid_jax.information import AtomsInBits
from pid_jax.problems.build import Workload
from pid_jax.problems.types import ProblemKey
from pid_jax.results.crossed_outcome import CrossedOutcome
from pid_jax.results.exact_outcome import ExactOutcome
from pid_jax.sweep.protocol import Chunk, Group, Machine, ProblemRef, Program, RunPlan, Share
from pid_lvlm.data import RunOutline
from pid_lvlm.data.command.shown import count

Items = tuple[Int[np.ndarray, " _"], Shaped[np.ndarray, " _"]]
"""Group and name of each row of a problem."""

PROBLEMS_PER_CHUNK = 16
"""Problems whose rows are saved together: the amount that a kill loses."""


AT_A_TIME = 4
"""Least number of problems, per device, between two reports of progress."""


@dataclass(frozen=True)
class ExactGroup(Group):
    """Problems of the exact estimator, and the devices that share them."""

    devices: int


class Exact:
    """The BROJA optimum of the conditionals, certified."""

    name = EXACT

    def keys(self, layers: Sequence[int], config: EstimatorConfig) -> tuple[ProblemKey, ...]:
        """All combinations of layer and tau; features, and so poolings, do not matter."""
        return tuple(ProblemKey(layer, tau, "", self.name) for tau in config.taus for layer in layers)

    def shapes(self, outline: RunOutline, config: EstimatorConfig) -> tuple[None, None]:
        """No batches; the solver chooses shapes itself, after merging equal rows."""
        return None, None

    def fits(self, config: EstimatorConfig) -> int:
        """One."""
        return 1

    def group(
        self, runs: Sequence[RunPlan], config: EstimatorConfig, machine: Machine, share: Share
    ) -> list[ExactGroup]:
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
        chunks = tuple(Chunk(tuple(problems[i : i + PROBLEMS_PER_CHUNK])) for i in starts)
        return [ExactGroup(self.name, chunks, machine.devices)]

    def describe(self, group: Group, config: EstimatorConfig) -> str:
        """Number of problems and chunks."""
        return (
            f"exact: {count(group.num_problems, 'problem')} to {config.tol_bits:g} bits, "
            f"{count(len(group.chunks), 'chunk')}"
        )

    def programs(self, group: Group, config: EstimatorConfig) -> tuple[Program, ...]:
        """None on a CPU; an accelerator's shapes are known only after equal rows are merged."""
        return ()

    def start(
        self,
        workloads: Mapping[int, Workload],
        problems: Sequence[ProblemRef],
        group: ExactGroup,
        config: EstimatorConfig,
    ) -> "RunningExact":
        """The problems of a chunk, solved when collected."""
        items = tuple((workloads[run].groups, workloads[run].sample_ids) for run, _, _ in problems)
        given = tuple(_given(workloads[run], key, config) for run, key, _ in problems)
        return RunningExact(given, items, config, group.devices)


@dataclass(frozen=True)
class RunningExact:
    """Problems to be solved together, with the groups and names of their items."""

    given: tuple[GivenRows | CrossedGiven, ...]
    items: tuple[Items, ...]
    config: EstimatorConfig
    devices: int = 1

    def collect(self, advance: Callable[[int], None]) -> list[ExactOutcome | CrossedOutcome]:
        """Solve them, their half samples and the other ways to reach one P(Y), a few at a time."""
        found: dict[int, ExactOutcome | CrossedOutcome] = {}
        crossed = [place for place, one in enumerate(self.given) if isinstance(one, CrossedGiven)]
        others = [place for place in range(len(self.given)) if place not in set(crossed)]
        for places, solve in ((others, self._solved), (crossed, self._crossed)):
            for part in self._parts(places):
                outcomes = solve([self.given[place] for place in part], [self.items[place] for place in part])
                found |= zip(part, outcomes, strict=True)
                advance(len(part))
        return [found[place] for place in range(len(self.given))]

    def _parts(self, places: Sequence[int]) -> Iterator[list[int]]:
        """Problems to solve together: `AT_A_TIME` per device, or more if it takes more to make processes worthwhile."""
        part: list[int] = []
        work = 0
        for place in places:
            part.append(place)
            rows = len(self.items[place][0])
            work += work_of(rows, rows)
            if len(part) >= AT_A_TIME * self.devices and work >= WORTH_PROCESSES:
                yield part
                part, work = [], 0
        if part:
            yield part

    def _crossed(self, given: Sequence[Any], _items: Sequence[Items]) -> list[CrossedOutcome]:
        found = estimate_crossed(
            given, tol_bits=self.config.tol_bits, method=self.config.interval, devices=self.devices
        )
        return [
            CrossedOutcome(solution, items, one.pairs.partner.shape[1], self.config)
            for one, (solution, items) in zip(given, found, strict=True)
        ]

    def _solved(self, given: Sequence[Any], items: Sequence[Items]) -> list[ExactOutcome]:
        problems = [StratifiedProblem.of(rows, self.config.marginals) for rows in given]
        places = [place for place, problem in enumerate(problems) if max(problem.residuals) <= REACHED]
        solutions = solve_stratified([problems[place] for place in places], self.config.tol_bits, self.devices)
        solution_of = dict(zip(places, solutions, strict=True))
        intervals = self._intervals(problems, solution_of, [groups for groups, _ in items])
        spreads = self._spreads(given, solution_of)
        return [
            ExactOutcome(problem, solution_of.get(place), self.config, names, intervals.get(place), spread)
            for place, (problem, (_, names), spread) in enumerate(zip(problems, items, spreads, strict=True))
        ]

    def _spreads(
        self, given: Sequence[GivenRows], solution_of: Mapping[int, StratifiedSolution]
    ) -> Sequence[MarginalsSpread | None]:
        """Spread of the atoms over the ways to one P(Y); the configured way is already solved."""
        if not self.config.spread:
            return [None] * len(given)
        way = self.config.marginals
        known: list[Mapping[Way, AtomsInBits]] = [
            {way: solution_of[place].atoms().in_bits()} if place in solution_of and way != "as-given" else {}
            for place in range(len(given))
        ]
        return marginals_spreads(given, devices=self.devices, known=known)

    def _intervals(
        self,
        problems: Sequence[StratifiedProblem],
        solution_of: Mapping[int, StratifiedSolution],
        groups: Sequence[Int[np.ndarray, " _"]],
    ) -> dict[int, ItemInterval]:
        """Intervals over items, by index; none if a stratum has too few groups."""
        if self.config.interval == "none":
            return {}
        places = [place for place in solution_of if enough_groups(problems[place], groups[place])]
        found = stratified_intervals(
            [problems[place] for place in places],
            [solution_of[place] for place in places],
            groups=[groups[place] for place in places],
            method=self.config.interval,
            tol_bits=self.config.tol_bits,
            marginals=self.config.marginals,
            devices=self.devices,
        )
        return dict(zip(places, found, strict=True))


def _given(workload: Workload, key: ProblemKey, config: EstimatorConfig) -> GivenRows | CrossedGiven:
    crossed = workload.rows[key.rows].crossed
    if crossed is None:
        return given_rows(workload, key, config)
    labels = workload.num_options if config.strata == "options" else None
    return CrossedGiven(CrossedPairs(*crossed), labels, workload.groups)


def given_rows(workload: Workload, key: ProblemKey, config: EstimatorConfig) -> GivenRows:
    """All rows of a run at one layer, as measured, with equal weights."""
    rows = [np.asarray(p, np.float64) for p in workload.rows[key.rows].conditionals]
    first, second, joint = (p / p.sum(1, keepdims=True) for p in rows)
    weights = np.full(len(joint), 1 / len(joint))
    return GivenRows(first, second, joint, weights, workload.num_options if config.strata == "options" else None)
