"""Streams chunks through the devices: one is read while another is fitted, and dropped once its rows are out."""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax

from pid_jax.config import EstimatorConfig
from pid_jax.problems.build import Workload, make_workload
from pid_jax.problems.types import Refusal
from pid_jax.results.rows import problem_row, refused_row, refused_rows
from pid_jax.results.versions import device_name
from pid_jax.sweep.ahead import Wait, compiling
from pid_jax.sweep.plan import Plan, none_usable
from pid_jax.sweep.protocol import Chunk, Group, ProblemRef, Running
from pid_jax.sweep.registry import SOLVERS
from pid_lvlm.data import PidError, Run, read_run

Row = dict[str, Any]
Keep = Callable[[str, Any], object]
"""Called with the id and full solution of every problem: `Solution` (terms per seed, loss traces) or `ExactOutcome`
(potentials, pointwise atoms). The table only summarises it."""


def forget(name: str, solution: Any) -> None:
    """Keep nothing."""


class Progress(Protocol):
    """Interface of a progress display."""

    def start(self, problems: int, fits: int) -> None:
        """Start with the numbers of problems and fits."""

    def advance(self, fits: int) -> None:
        """Count finished fits."""

    def finish(self, problems: int) -> None:
        """Count problems with a row."""

    def warn(self, sentence: str) -> None:
        """Show a warning."""


class NoProgress:
    """Shows no progress; warnings become Python warnings."""

    def start(self, problems: int, fits: int) -> None:
        """Ignore."""

    def advance(self, fits: int) -> None:
        """Ignore."""

    def finish(self, problems: int) -> None:
        """Ignore."""

    def warn(self, sentence: str) -> None:
        """Warn."""
        warnings.warn(sentence, stacklevel=2)


@dataclass
class Reader:
    """Reads runs when a chunk needs them and keeps no others in memory.

    Attributes:
        plan: the runs.
        config: settings.
        refusals: runs that turned out to be invalid, by position in the plan.
    """

    plan: Plan
    config: EstimatorConfig
    refusals: dict[int, Refusal] = field(default_factory=dict)
    _held: dict[tuple[Path, frozenset[str]], Run] = field(default_factory=dict)

    def read(self, chunk: Chunk) -> dict[int, Workload]:
        """Host arrays of the chunk's problems, by run; unusable runs are left out."""
        keys = {run: [problem.key for problem in chunk.problems if problem.run == run] for run in chunk.runs}
        needed = {
            run: (self.plan.runs[run].outline.folder, frozenset(key.pooling for key in keys[run] if key.pooling))
            for run in keys
            if run not in self.refusals
        }
        self._held = {name: run for name, run in self._held.items() if name in needed.values()}
        workloads = {}
        for position, name in needed.items():
            plan = self.plan.runs[position]
            try:
                if name not in self._held:
                    self._held[name] = read_run(plan.outline.folder, poolings=name[1], outline=plan.outline)
                workloads[position] = make_workload(self._held[name], keys[position], self.config, plan.layout)
            except PidError as error:
                self.refusals[position] = Refusal(plan.outline.folder, str(error))
            except Exception as error:  # a damaged file must not affect the other runs of the chunk
                self._held.pop(name, None)
                why = " ".join(f"{type(error).__name__} {error}".split())[:200]
                reason = f"run folder `{plan.outline.folder}` cannot be read ({why}); run pid-extract --check on it"
                self.refusals[position] = Refusal(plan.outline.folder, reason)
        return workloads


class _Pending(NamedTuple):
    """A chunk on the devices: the readable problems, their host arrays, and their fits."""

    problems: list[ProblemRef]
    workloads: Mapping[int, Workload]
    running: Running | None
    refused: list[Row]


def fit_groups(
    plan: Plan,
    groups: Sequence[Group],
    config: EstimatorConfig,
    progress: Progress,
    keep: Keep = forget,
) -> Iterator[list[Row]]:
    """Fit every problem of the groups; yields rows of the result table, chunk by chunk.

    The next chunk is read while the devices fit one: at most two chunks are in memory.

    Args:
        plan: the runs; rows of refused ones come first, without numbers.
        groups: groups from the estimators.
        config: settings.
        progress: a progress display.
        keep: called with every solution.

    Raises:
        PidError: no run could be used, or the device ran out of memory.
    """
    problems = sum(group.num_problems for group in groups)
    progress.start(problems, sum(group.num_problems * SOLVERS[group.estimator].fits(config) for group in groups))
    for refused in plan.refusals:
        progress.warn(f"left out: {refused.reason}")
    yield [row for refused in plan.refusals for row in refused_rows(refused, config)]
    with compiling(groups, config, SOLVERS) as wait:
        yield from _fit_chunks(Reader(plan, config), groups, progress, keep, wait)


def _fit_chunks(
    reader: Reader, groups: Sequence[Group], progress: Progress, keep: Keep, wait: Wait
) -> Iterator[list[Row]]:
    plan, config = reader.plan, reader.config
    pending: _Pending | None = None
    fitted = False
    clock = time.perf_counter()
    for group in groups:
        for chunk in group.chunks:
            try:
                started = _start(reader, group, chunk, progress, wait)
            except Exception:
                if pending is not None:  # keep what is already fitted
                    yield _finish(pending, plan, config, progress, keep, clock)
                raise
            fitted = fitted or started.running is not None
            if len(reader.refusals) == len(plan.runs) and not fitted:
                raise none_usable([refused.reason for refused in (*plan.refusals, *reader.refusals.values())])
            if pending is not None:
                yield _finish(pending, plan, config, progress, keep, clock)
                clock = time.perf_counter()
            pending = started
    if pending is not None:
        yield _finish(pending, plan, config, progress, keep, clock)


def _start(
    reader: Reader,
    group: Group,
    chunk: Chunk,
    progress: Progress,
    wait: Wait,
) -> _Pending:
    config = reader.config
    known = set(reader.refusals)
    workloads = reader.read(chunk)
    for position in reader.refusals.keys() - known:
        progress.warn(f"left out: {reader.refusals[position].reason}")
    good = [problem for problem in chunk.problems if problem.run in workloads]
    bad = [problem for problem in chunk.problems if problem.run not in workloads]
    refused = [refused_row(reader.plan.runs[run].outline.manifest, key, name, config) for run, key, name in bad]
    running = None
    if good:
        with _enough_memory():
            wait(group)
            running = SOLVERS[group.estimator].start(workloads, good, group, config)
    return _Pending(good, workloads, running, refused)


@contextmanager
def _enough_memory() -> Iterator[None]:
    advice = "choose a smaller memory budget (--memory-budget); everything fitted so far is kept"
    try:
        yield
    except MemoryError:
        raise PidError(f"the machine ran out of memory; {advice}") from None
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise PidError(f"the device ran out of memory; {advice}") from error


def _finish(
    pending: _Pending, plan: Plan, config: EstimatorConfig, progress: Progress, keep: Keep, clock: float
) -> list[Row]:
    rows = list(pending.refused)
    if pending.running is not None:
        with _enough_memory():
            solutions = pending.running.collect(progress.advance)
        seconds = (time.perf_counter() - clock) / len(solutions)
        provenance = {"device": device_name(), "seconds": seconds}
        for (run, key, name), solution in zip(pending.problems, solutions, strict=True):
            keep(name, solution)
            manifest = plan.runs[run].outline.manifest
            rows.append(problem_row(manifest, name, key, pending.workloads[run], solution, config) | provenance)
    progress.finish(len(rows))
    return rows
