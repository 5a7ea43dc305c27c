"""Plans the jobs: the parts of a command, which of them are done, and the script for Slurm."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from pid_lvlm.data.cluster.gpus import visible_gpus
from pid_lvlm.data.cluster.job import PartJob
from pid_lvlm.data.cluster.options import LOCAL, SLURM, JobOptions
from pid_lvlm.data.cluster.records import Records
from pid_lvlm.data.cluster.slurm_options import slurm_parameters
from pid_lvlm.data.cluster.submitit_executors import Where, sbatch_script
from pid_lvlm.data.command.part import Part
from pid_lvlm.data.command.result import CommandResult
from pid_lvlm.data.command.shown import count


@dataclass(frozen=True)
class WorkPart:
    """A part of a command's work and the names of its runs; a finished part needs no job."""

    part: Part
    runs: tuple[str, ...]
    is_done: bool


@dataclass(frozen=True)
class PlannedPart:
    """A part, the names of its runs, and whether it is done."""

    part: str
    runs: tuple[str, ...]
    complete: bool


@dataclass(frozen=True, kw_only=True)
class JobPlan(CommandResult):
    """The result of `--dry-run --executor`: `script` is the sbatch script; None without Slurm.

    `done` counts the parts that would become jobs, `skipped` those that are already done.
    """

    action: str = "dry-run"
    out: Path
    script: str | None
    parts: tuple[PlannedPart, ...]


@dataclass(frozen=True)
class JobsOf:
    """The jobs of a command.

    Args:
        command: its name.
        module: the module of its `main`.
        out: what it writes.
        options: how it is run as jobs.
        parts: the parts of its work.
        environment: variables of every job that differ from those of this process; None removes one.
    """

    command: str
    module: str
    out: Path
    options: JobOptions
    parts: tuple[WorkPart, ...]
    environment: Mapping[str, str | None]

    @property
    def left(self) -> tuple[WorkPart, ...]:
        """Parts with work left."""
        return tuple(part for part in self.parts if not part.is_done)

    @property
    def records(self) -> Records:
        """Where the logs and results of the jobs are."""
        return Records.of(self.out, self.options.arguments, [part.runs for part in self.parts])

    def where(self, devices: Sequence[str] = ("auto",)) -> Where:
        """Where the jobs run; on this machine, one at a time per GPU, or else `--jobs` at a time, by default one.

        Args:
            devices: devices that the command names; GPUs are only assigned if it leaves the choice open.
        """
        parameters = slurm_parameters(self.options.slurm, self.command)
        choose = self.options.executor == LOCAL and {*devices} <= {"auto", "cuda"}
        gpus = visible_gpus() if choose else ()
        return Where(self.options.executor, parameters, len(gpus) or self.options.jobs or 1, gpus)

    def jobs(self) -> list[PartJob]:
        """One job for each part with work left."""
        fixed: dict[str, Any] = {"records": self.records, "cwd": Path.cwd(), "environment": self.environment}
        return [PartJob(self.module, self.options.arguments, one.part, one.runs, **fixed) for one in self.left]

    def show(self) -> JobPlan:
        """Print the Slurm script and the parts; submits and writes nothing."""
        parameters = slurm_parameters(self.options.slurm, self.command)
        jobs = self.jobs()
        script = None
        if self.options.executor == SLURM and jobs:
            script = sbatch_script(self.records.folder, parameters, len(jobs))
            typer.echo(script)
        typer.echo(f"each job runs: {shlex.join([self.command, *self.options.arguments])} --part i/{len(self.parts)}")
        for one in self.parts:
            state = "done already, not submitted" if one.is_done else count(len(one.runs), "run")
            typer.echo(f"part {one.part.text}: {state}")
            for run in one.runs:
                typer.echo(f"  {run}")
        return JobPlan(
            done=len(jobs),
            skipped=len(self.parts) - len(jobs),
            out=self.out,
            script=script,
            parts=tuple(PlannedPart(one.part.text, one.runs, one.is_done) for one in self.parts),
        )
