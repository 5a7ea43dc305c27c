"""BATCH as an estimator of sweeps: networks trained on batches, as published."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from pid_jax.config import BATCH, EstimatorConfig, FitSettings
from pid_jax.estimators.batch.excess import LeastLoss, MeasuredRows, least_losses
from pid_jax.estimators.batch.fit import Lengths
from pid_jax.problems.build import Workload
from pid_jax.problems.splits import Layout, make_layout, split_rows, split_seeds
from pid_jax.problems.types import ProblemKey, RowsKey, Shape
from pid_jax.results.solution import Solution
from pid_jax.sweep.chunks import BatchGroup, group_problems
from pid_jax.sweep.launch import Running, launch, programs_of
from pid_jax.sweep.memory import check_memory, fit_bytes
from pid_jax.sweep.protocol import Machine, ProblemRef, Program, RunPlan, Share
from pid_jax.sweep.stack import stack_problems
from pid_lvlm.data import PidError, RunOutline
from pid_lvlm.data.command.shown import count
from pid_lvlm.data.contract.sample_size import describe_rows_needed, least_test_rows
from pid_lvlm.data.names import SOURCES

EXCESS_TOL_BITS: Final = 5e-3
"""Width of the certified interval on the optimum of a test batch, small compared with the excess of interest."""


class Batch:
    """The published estimator (Liang et al., 2023): one fit per problem and seed."""

    name = BATCH

    def keys(self, layers: Sequence[int], config: EstimatorConfig) -> tuple[ProblemKey, ...]:
        """All combinations of layer, tau and pooling."""
        return tuple(
            ProblemKey(layer, tau, pooling, self.name)
            for pooling in config.poolings
            for tau in config.taus
            for layer in layers
        )

    def shapes(self, outline: RunOutline, config: EstimatorConfig) -> tuple[Layout, Shape]:
        """Batches and shape of a run's problems.

        Raises:
            PidError: the run has too few rows for the batches, or a problem needs more memory than available.
        """
        manifest = outline.manifest
        layout = _layout(outline, config)
        shape = Shape(
            *((manifest.d1, manifest.d2) if not _swapped(config) else (manifest.d2, manifest.d1)),
            manifest.max_options,
            config.epochs * layout.per_epoch,
            config.batch_size,
            layout.test_batches,
        )
        what = f"run `{manifest.run}`"
        check_memory(what, shape, len(outline), len(config.seeds), FitSettings.of(config))
        return layout, shape

    def fits(self, config: EstimatorConfig) -> int:
        """One per seed."""
        return len(config.seeds)

    def group(
        self, runs: Sequence[RunPlan], config: EstimatorConfig, machine: Machine, share: Share
    ) -> list[BatchGroup]:
        """Problems of equal shape, cut into chunks that fit into memory."""
        settings = FitSettings.of(config)
        return group_problems(runs, len(config.seeds), settings, machine, share.wanted, share.part)

    def describe(self, group: BatchGroup, config: EstimatorConfig) -> str:
        """Shape, chunks and memory of the group."""
        shape, pace = group.shape, group.pace
        runs = {problem.run for chunk in group.chunks for problem in chunk.problems}
        working = fit_bytes(shape, FitSettings.of(config)) * pace.side_by_side
        return (
            f"BATCH: {count(len(runs), 'run')} of feature widths {shape.d1} and {shape.d2}, "
            f"{shape.options} options; {count(group.num_problems, 'problem')}, "
            f"{count(group.num_problems * len(config.seeds), 'fit')} of {count(shape.steps, 'step')}; "
            f"{count(len(group.chunks), 'chunk')} of {group.table_bytes() / 2**20:.1f} MiB; "
            f"{count(pace.side_by_side, 'fit')} side by side on each of {count(pace.devices, 'device')} "
            f"in {working / 2**20:.0f} MiB"
        )

    def programs(self, group: BatchGroup, config: EstimatorConfig) -> tuple[Program, ...]:
        """One program draws the initial weights, one fits."""
        return programs_of(group, config)

    def start(
        self,
        workloads: Mapping[int, Workload],
        problems: Sequence[ProblemRef],
        group: BatchGroup,
        config: EstimatorConfig,
    ) -> "RunningBatch":
        """Start the fits of a chunk without waiting for them."""
        stack = stack_problems(workloads, [(run, key) for run, key, _ in problems], config.seeds, group.capacity)
        fits = launch(stack, config, group.pace, Lengths(group.shape.steps, group.shape.test_batches))
        return RunningBatch(fits, workloads, tuple(problems), config, group.pace.devices)


@dataclass(frozen=True)
class RunningBatch:
    """Running fits and the problems they belong to."""

    fits: Running
    workloads: Mapping[int, Workload]
    problems: tuple[ProblemRef, ...]
    config: EstimatorConfig
    devices: int

    def collect(self, advance: Callable[[int], None]) -> list[Solution]:
        """Wait for the fits, and certify the optimum of each fit's test batches."""
        solutions = self.fits.collect(advance)
        losses = self._least_losses()
        return [
            _with_optimum(solution, losses[run, key.rows], anchored_by_second=_swapped(self.config))
            for solution, (run, key, _) in zip(solutions, self.problems, strict=True)
        ]

    def _least_losses(self) -> dict[tuple[int, RowsKey], list[LeastLoss]]:
        """One per run, layer, tau, ablation and seed; poolings share them."""
        places = list(dict.fromkeys((run, key.rows) for run, key, _ in self.problems))
        fits = [
            MeasuredRows(*self.workloads[run].rows[at].conditionals[:2], draw.test)
            for run, at in places
            for draw in self.workloads[run].draws
        ]
        found = iter(least_losses(fits, EXCESS_TOL_BITS, self.devices))
        return {place: [next(found) for _ in self.workloads[place[0]].draws] for place in places}


def _swapped(config: EstimatorConfig) -> bool:
    return config.anchor != SOURCES[0]


def _with_optimum(solution: Solution, losses: Sequence[LeastLoss], *, anchored_by_second: bool) -> Solution:
    """Add bounds on the minimum I_q: the bounds on the loss plus the information of the anchor."""
    terms = solution.terms
    own = float(np.mean(np.asarray(terms.i_y_x2 if anchored_by_second else terms.i_y_x1, np.float64)))
    low, high = (float(np.mean(side)) + own for side in zip(*losses, strict=True))
    return replace(solution, optimum=(low, high))


def _layout(outline: RunOutline, config: EstimatorConfig) -> Layout:
    n = len(outline)
    if config.split == "group":
        groups = outline.read("group_id")
        splits = [split_rows(groups, n, seed, config.train_share) for seed in sorted(set(split_seeds(config)))]
        sizes = [(len(train), len(test)) for train, test in splits]
    else:
        train = int(config.train_share * n)
        sizes = [(train, n - train)]
    check_enough(f"run `{outline.manifest.run}`", n, sizes, config)
    return make_layout(sizes, config.batch_size, config.drop_incomplete)


def check_enough(what: str, num_rows: int, sizes: Sequence[tuple[int, int]], config: EstimatorConfig) -> None:
    """Check that every seed has enough training and test rows.

    Raises:
        PidError: they are not.
    """
    num_train, num_test = (min(part) for part in zip(*sizes, strict=True))
    largest_test = max(test for _, test in sizes)  # all seeds get as many test batches as the largest test part
    least_test = least_test_rows(largest_test, config.batch_size, config.drop_incomplete)
    if num_train >= config.batch_size and num_test >= least_test:
        return
    needed = describe_rows_needed(config.batch_size, config.train_share, config.drop_incomplete)
    raise PidError(
        f"{what}: {num_rows} rows ({num_train} for training, {num_test} for testing) are too few; {needed}. "
        "Extract more items, or choose --estimator exact, which has no batches; a smaller batch size would be another "
        "estimator, with other numbers"
    )
