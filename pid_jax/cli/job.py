"""What `pid-estimate` does with its options.

Who writes what: a whole estimate locks `--out`; a part locks its own table next to it, and reads `--out`. The process
that merges locks `--out` and every part table that it merges and deletes. Tables are always replaced as a whole, so
reading needs no lock.
"""

import sys
import time
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from rich.console import Console

from pid_jax.cli.console import PlainConsole, expand
from pid_jax.cli.messages import count_failures, print_groups, print_plan, print_summary
from pid_jax.cli.progress import RichProgress
from pid_jax.cli.results import Estimation, finished_estimation, planned_estimation
from pid_jax.config import ESTIMATORS, EXACT, EstimatorConfig
from pid_jax.estimation import in_order, plan_groups
from pid_jax.results.exact_outcome import ExactOutcome
from pid_jax.results.item_file import ItemFile
from pid_jax.results.table_file import Rows, check_out, read_existing, read_with_parts, write_table
from pid_jax.sweep.devices import count_devices, keep_compiled, split_cpu
from pid_jax.sweep.plan import Plan, plan_runs
from pid_jax.sweep.processes import all_agree, join_processes, wait_for_all
from pid_jax.sweep.stream import Keep, fit_groups, forget
from pid_lvlm.data import PidError
from pid_lvlm.data.command.part import WHOLE, Part, parse_part, part_tables
from pid_lvlm.data.command.shown import count
from pid_lvlm.data.locks import LockedError, locked
from pid_lvlm.data.names import NOISE


@dataclass(frozen=True)
class Processes:
    """Whether this is one of several processes, and how they find each other."""

    part: str | None = None
    distributed: bool = False
    coordinator: str | None = None
    count: int | None = None
    index: int | None = None

    def join(self) -> Part:
        """This process's part of the work.

        Raises:
            PidError: the options contradict each other, or the processes cannot connect.
        """
        if self.distributed and self.part is not None:
            raise PidError("--part and --distributed both divide the work; give one of them")
        if not self.distributed and (self.count is not None or self.index is not None):
            raise PidError("--processes and --process need --distributed or --coordinator")
        if self.distributed:
            return join_processes(self.coordinator, self.count, self.index)
        return WHOLE if self.part is None else parse_part(self.part)


@dataclass(frozen=True)
class Job:
    """Which runs, where to write, and how: the options that are not estimator settings."""

    runs: tuple[Path, ...]
    out: Path
    layers: str = "all"
    pointwise: Path | None = None
    memory_budget: str | None = None
    devices: int | None = None
    cache: str = "auto"
    processes: Processes = Processes()
    allow_partial: bool = False
    overwrite: bool = False
    dry_run: bool = False
    verbose: bool = False
    quiet: bool = False


def run_job(job: Job, config: EstimatorConfig) -> Estimation:
    """Estimate, save after every chunk, and print what happened.

    Raises:
        PidError: bad input, or another command is writing the table.
    """
    # A dry run's plan is its output; a run's plan and summary are only for people.
    console = PlainConsole(stderr=not job.dry_run, quiet=job.quiet and not job.dry_run)
    check_out(job.out)
    if job.pointwise is not None and EXACT not in ESTIMATORS[config.estimator]:
        raise PidError("--pointwise: only the exact estimator has atoms per item; add --estimator exact or both")
    keep_compiled(job.cache)
    split_cpu(job.devices)
    part = job.processes.join()
    with ExitStack() as locks:
        if not job.dry_run:
            _lock(locks, job, part)
            if job.pointwise is not None:
                locks.enter_context(locked(_own(job.pointwise, part), "pid-estimate"))
        return _estimate(console, job, config, part, locks)


def _lock(locks: ExitStack, job: Job, part: Part) -> None:
    """Lock the tables that this process writes; either all processes go on or none."""
    refused: PidError | None = None
    try:
        for path in _written(job, part):
            locks.enter_context(locked(path, "pid-estimate"))
    except PidError as error:
        refused = error
    if job.processes.distributed and not all_agree(refused is None):
        raise refused or PidError(f"another process cannot write next to `{job.out}`; its message says why")
    if refused:
        raise refused


def _written(job: Job, part: Part) -> tuple[Path, ...]:
    """A whole estimate writes the common table, a part its own; the first of several processes merges."""
    if part == WHOLE:
        return (job.out,)
    own = part.table(job.out)
    return (job.out, own) if job.processes.distributed and part.number == 1 else (own,)


def _estimate(console: Console, job: Job, config: EstimatorConfig, part: Part, locks: ExitStack) -> Estimation:
    found = read_with_parts(job.out)
    existing = {} if job.overwrite else found
    items = None if job.pointwise is None else ItemFile(_own(job.pointwise, part), keep=not job.overwrite)
    plan = plan_runs(expand(console, job.runs), config, job.layers, job.allow_partial)
    finished = _finished(plan, existing, items)
    groups = plan_groups(plan, config, count_devices(job.devices), job.memory_budget, finished, part)
    already = sum(name in finished for run in plan.runs for name in run.ids)
    planned = sum(group.num_problems for group in groups)
    print_plan(console, plan, groups, config, f"{already} already in `{job.out}`")
    if job.verbose:
        print_groups(console, groups, config)
    if job.dry_run:
        for refused in plan.refusals:
            console.print(f"warning: left out: {refused.reason}")
        console.print(f"dry run: `{job.out}` not written")
        return planned_estimation(job.out, plan, planned, already)
    started = time.perf_counter()
    own = _own(job.out, part)
    # Each part writes its rows to its own table.
    kept = existing if part == WHOLE else ({} if job.overwrite else read_existing(own))
    with RichProgress(console) as progress:
        for fresh in fit_groups(plan, groups, config, progress, _keeping(plan, items)):
            if fresh:
                if items is not None:
                    items.write()  # before the table: every problem with a row there must have its items here
                kept = kept | {row["problem_id"]: row for row in fresh}
                write_table(own, in_order(plan, list(kept.values())))
    frame = write_table(own, in_order(plan, list(kept.values())))
    if job.processes.distributed:
        if part.number > 1:
            locks.close()  # before the first process merges this table
        wait_for_all("every part is written")
        if part.number > 1:
            return finished_estimation(own, plan, frame, existing)
    if part == WHOLE or job.processes.distributed:
        rows = kept if part == WHOLE else existing
        parts = () if part == WHOLE else tuple(Part(i, part.total).table(job.out) for i in range(1, part.total + 1))
        frame, own = merge(console, job.out, plan, rows, found if job.overwrite else {}, parts), job.out
    done = finished_estimation(own, plan, frame, existing)
    _print_result(console, frame, done, time.perf_counter() - started)
    return done


def _own(path: Path, part: Part) -> Path:
    """Where this process writes: the file itself, or a part table next to it."""
    return path if part == WHOLE else part.table(path)


def _finished(plan: Plan, existing: Collection[str], items: ItemFile | None) -> frozenset[str]:
    """Problems of the plan that are already solved: they have their row, and their items if requested."""
    without = {
        name
        for run in plan.runs
        if items is not None and run.estimator == EXACT
        for key, name in zip(run.keys, run.ids, strict=True)
        if key.ablation == NOISE and name not in items.problems
    }
    return frozenset(existing) - without


def _keeping(plan: Plan, items: ItemFile | None) -> Keep:
    """Called with every solution."""
    if items is None:
        return forget
    place = {
        name: {"run": run.outline.manifest.run, "layer": key.layer, "tau": key.tau}
        for run in plan.runs
        for key, name in zip(run.keys, run.ids, strict=True)
        if key.ablation == NOISE
    }

    def keep(name: str, solution: object) -> None:
        if isinstance(solution, ExactOutcome) and name in place:
            items.add(name, solution, place[name])

    return keep


def merge(
    console: Console, out: Path, plan: Plan, rows: Rows, dropped: Rows, parts: Collection[Path] = ()
) -> pl.DataFrame:
    """Write rows and those of the part tables next to `out` into `out`, and delete the part tables.

    Args:
        console: where to report part tables that are left.
        out: the common table, locked by this process.
        plan: the runs, which set the order of the rows.
        rows: rows of `out`.
        dropped: rows to drop, also from part tables.
        parts: tables of this estimate's processes, which are done. Any other table is left alone while a process writes
            it, and is merged by the next estimate.
    """
    taken: list[Path] = []
    with ExitStack() as locks:
        for path in part_tables(out):
            try:
                if path not in parts:
                    locks.enter_context(locked(path, "pid-estimate, which merges parts"))
                found = read_existing(path, refused=path in parts)
            except LockedError:
                console.print(f"`{path}` is still being written; run the same command again to take its rows in")
                continue
            except PidError as error:
                console.print(f"warning: left where it is: {error}")
                continue
            rows = {name: row for name, row in found.items() if dropped.get(name) != row} | rows
            taken.append(path)
        frame = write_table(out, in_order(plan, list(rows.values())))
        for path in taken:
            path.unlink(missing_ok=True)
    return frame


def _print_result(console: Console, frame: pl.DataFrame, done: Estimation, seconds: float) -> None:
    print_summary(console, frame)
    for sentence in done.warnings:
        console.print(f"warning: {sentence}")
    console.print(f"{count(len(frame), 'row')} in `{done.out}`, {seconds:.1f} s")
    if failures := count_failures(frame):
        sys.stderr.write(f"{failures} of {len(frame)} fits failed; the column `result` says how\n")
