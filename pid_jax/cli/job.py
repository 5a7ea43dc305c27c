"""What `pid-estimate` does with its options."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from rich.console import Console

from pid_jax.cli.messages import count_failures, print_plan, print_programs, print_summary
from pid_jax.cli.progress import RichProgress
from pid_jax.cli.results import Estimation, finished_estimation, planned_estimation
from pid_jax.config import EstimatorConfig
from pid_jax.estimation import in_order, plan_groups
from pid_jax.results.table_file import check_out, part_tables, read_existing, read_with_parts, write_table
from pid_jax.setting import count
from pid_jax.sweep.devices import count_devices, keep_compiled, split_cpu
from pid_jax.sweep.plan import Plan, plan_runs
from pid_jax.sweep.processes import join_processes, wait_for_all
from pid_jax.sweep.stream import Row, fit_groups
from pid_lvlm.data import PidError
from pid_lvlm.data.command.part import WHOLE, Part, parse_part


@dataclass(frozen=True)
class Processes:
    """Whether this is one of several processes, and how it finds the others."""

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
        if self.distributed:
            return join_processes(self.coordinator, self.count, self.index)
        return WHOLE if self.part is None else parse_part(self.part)


@dataclass(frozen=True)
class Job:
    """Which runs, to where, and how: the options that are not settings of the estimator."""

    runs: tuple[Path, ...]
    out: Path
    layers: str = "all"
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
    """Estimate, save after every chunk, print what happened.

    Raises:
        PidError: bad input.
    """
    # The plan of a dry run is what was asked for; the plan and the summary of a run are only for people.
    console = Console(stderr=not job.dry_run, quiet=job.quiet and not job.dry_run, soft_wrap=True)
    check_out(job.out)
    keep_compiled(job.cache)
    split_cpu(job.devices)
    part = job.processes.join()
    found = read_with_parts(job.out)
    existing = {} if job.overwrite else found
    plan = plan_runs(job.runs, config, job.layers, job.allow_partial)
    groups = plan_groups(plan, config, count_devices(job.devices), job.memory_budget, existing, part)
    already = sum(name in existing for run in plan.runs for name in run.ids)
    planned = sum(group.num_problems for group in groups)
    print_plan(console, plan, planned, config, f"{already} already in `{job.out}`")
    if job.verbose:
        print_programs(console, groups, config)
    if job.dry_run:
        for refused in plan.refusals:
            console.print(f"warning: left out: {refused.reason}", markup=False, highlight=False)
        console.print(f"dry run: `{job.out}` not written")
        return planned_estimation(job.out, plan, planned, already)
    started = time.perf_counter()
    own = job.out if part == WHOLE else part.table(job.out)
    # Each part writes its own rows to a table of its own.
    kept = existing if part == WHOLE else ({} if job.overwrite else read_existing(own))
    with RichProgress(console) as progress:
        for fresh in fit_groups(plan, groups, config, progress):
            if fresh:
                kept = kept | {row["problem_id"]: row for row in fresh}
                write_table(own, in_order(plan, list(kept.values())))
    frame = write_table(own, in_order(plan, list(kept.values())))
    if job.processes.distributed:
        wait_for_all("every part is written")
        if part.number > 1:
            return finished_estimation(own, plan, frame, existing)
    if part == WHOLE or job.processes.distributed:
        frame, own = merge(job.out, plan, part, {} if job.overwrite else existing), job.out
    done = finished_estimation(own, plan, frame, existing)
    _print_result(console, frame, done, time.perf_counter() - started)
    return done


def merge(out: Path, plan: Plan, part: Part, existing: Mapping[str, Row]) -> pl.DataFrame:
    """Merge the tables of all parts into one and delete them."""
    rows = dict(existing)
    for path in [out] if part == WHOLE else [Part(i, part.total).table(out) for i in range(1, part.total + 1)]:
        rows |= read_existing(path, refused=True)
    frame = write_table(out, in_order(plan, list(rows.values())))
    for path in part_tables(out):
        path.unlink()
    return frame


def _print_result(console: Console, frame: pl.DataFrame, done: Estimation, seconds: float) -> None:
    print_summary(console, frame)
    for sentence in done.warnings:
        console.print(f"warning: {sentence}", markup=False, highlight=False)
    console.print(f"{count(len(frame), 'row')} in `{done.out}`, {seconds:.1f} s", highlight=False)
    if failures := count_failures(frame):
        sys.stderr.write(f"{failures} of {len(frame)} fits failed; the column `result` says how\n")
