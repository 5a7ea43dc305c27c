"""`pid-estimate` as jobs: each writes its part to its own table, and this process merges them."""

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from pid_jax.cli.console import PlainConsole, expand
from pid_jax.cli.job import Job, run_job
from pid_jax.cli.results import Estimation
from pid_jax.cli.status import share_done, wanted_rows
from pid_jax.config import EstimatorConfig
from pid_jax.estimation import plan_groups
from pid_jax.problems.layers import parse_layers
from pid_jax.results.table_file import check_out, read_with_parts
from pid_jax.sweep.plan import Plan, plan_runs
from pid_lvlm.data import PidError
from pid_lvlm.data.cluster.executor import run_jobs
from pid_lvlm.data.cluster.gpus import visible_gpus
from pid_lvlm.data.cluster.options import LOCAL, JobOptions
from pid_lvlm.data.cluster.plan import JobPlan, JobsOf, WorkPart
from pid_lvlm.data.cluster.records import PartResult
from pid_lvlm.data.command.part import Part
from pid_lvlm.data.command.result import EXIT_DONE, EXIT_WITH_FAILURES, Failure

PLATFORMS: Final = "JAX_PLATFORMS"
MOST_PARTS: Final = 8
"""Default maximum under Slurm: every job compiles its own programs, which costs as much as some fits."""


def estimate_as_jobs(job: Job, config: EstimatorConfig, options: JobOptions) -> Estimation | JobPlan:
    """Run every unfinished part as a job, wait, and merge their tables if none failed.

    Raises:
        PidError: an option that only works in one process, bad input, or jobs that cannot be submitted.
    """
    check_out(job.out)
    _refuse(job)
    # This process fits nothing: leave the GPUs to the jobs.
    environment = {PLATFORMS: os.environ.get(PLATFORMS)}
    os.environ[PLATFORMS] = "cpu"
    plan = plan_runs(expand(PlainConsole(quiet=job.quiet), job.runs), config, job.layers, job.allow_partial)
    before = frozenset(read_with_parts(job.out))
    parts = _parts(plan, job, config, options, before)
    work = JobsOf("pid-estimate", "pid_jax.cli.main", job.out, options, parts, environment)
    if job.dry_run:
        return work.show()
    layers = parse_layers(job.layers)
    wanted = {row for run in plan.runs for row in wanted_rows(run.outline.manifest, config, layers)}
    results: Mapping[Part, PartResult] = {}
    if jobs := work.jobs():
        results = run_jobs(jobs, work.where(), work.records, partial(share_done, job.out, wanted), quiet=job.quiet)
    failed = [result for result in results.values() if result.exit_code not in (EXIT_DONE, EXIT_WITH_FAILURES)]
    if failed:
        return _failed(job, plan, failed)
    merged = run_job(job, config)
    fresh = len({name for run in plan.runs for name in run.ids} - before) if results else 0
    return replace(merged, done=merged.done + fresh, skipped=merged.skipped - fresh)


def _refuse(job: Job) -> None:
    """Refuse options that only work in one process.

    Raises:
        PidError: such an option was given; the message names it.
    """
    if job.processes.distributed or job.processes.count is not None or job.processes.index is not None:
        raise PidError("--distributed and --executor both divide the work; give one of them")
    if job.overwrite:
        raise PidError(f"--overwrite: jobs that restart would lose their rows; delete `{job.out}` instead")
    if job.pointwise is not None:
        raise PidError("--pointwise: each part would write its own file; run it without --executor")


def _parts(
    plan: Plan, job: Job, config: EstimatorConfig, options: JobOptions, finished: frozenset[str]
) -> tuple[WorkPart, ...]:
    """As many as requested; by default one per local GPU, or one per run under Slurm, up to eight."""
    runs = tuple(dict.fromkeys(run.outline.manifest.run for run in plan.runs))
    usual = len(visible_gpus()) if options.executor == LOCAL else min(len(runs), MOST_PARTS)
    # A single part is written 1/1, the whole.
    total = min(options.jobs or max(1, usual), sum(len(run.ids) for run in plan.runs))
    parts = []
    for number in range(1, total + 1):
        part = Part(number, total)
        groups = plan_groups(plan, config, 1, job.memory_budget, finished, part)
        parts.append(WorkPart(part, runs, sum(group.num_problems for group in groups) == 0))
    return tuple(parts)


def _failed(job: Job, plan: Plan, failed: list[PartResult]) -> Estimation:
    """Some parts failed: their output is kept, nothing is merged."""
    for result in failed:
        sys.stderr.write(f"failed: part {result.part}: {result.error} (log: `{result.log}`)\n")
    sys.stderr.write("the tables of the other parts are kept: run the same command again to continue\n")
    return Estimation(
        failed=len(failed),
        failures=tuple(Failure(f"part {result.part}", result.error or f"{result.exit_code}") for result in failed),
        out=job.out,
        rows=None,
        runs=tuple(dict.fromkeys(run.outline.manifest.run for run in plan.runs)),
    )
