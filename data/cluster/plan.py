"""Which jobs there would be: the parts of a command, what is done of them, and the script that Slurm would get."""

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
    """A part of a command's work and the names of the runs in it; one that is done needs no job."""

    part: Part
    runs: tuple[str, ...]
    is_done: bool


@dataclass(frozen=True)
class PlannedPart:
    """A part, the names of its runs, and whether all of it is done."""

    part: str
    runs: tuple[str, ...]
    complete: bool


@dataclass(frozen=True, kw_only=True)
class JobPlan(CommandResult):
    """The result of `--dry-run --executor`: `script` is what sbatch would get; None without Slurm.

    `done` and `skipped` count the parts that would be jobs, and those that are done already.
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
        module: of its `main`.
        out: what it writes.
        options: what makes jobs of it.
        parts: of its work.
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
        """Parts with something left to do."""
        return tuple(part for part in self.parts if not part.is_done)

    @property
    def records(self) -> Records:
        """Where their logs and results are."""
        return Records.of(self.out, self.options.arguments, [part.runs for part in self.parts])

    def where(self, devices: Sequence[str] = ("auto",)) -> Where:
        """Where they run: on this machine as many at a time as there are GPUs, else all that `--jobs` says, or one.

        Args:
            devices: that the command may name; GPUs are only given out where it leaves the choice.
        """
        parameters = slurm_parameters(self.options.slurm, self.command)
        choose = self.options.executor == LOCAL and {*devices} <= {"auto", "cuda"}
        gpus = visible_gpus() if choose else ()
        return Where(self.options.executor, parameters, len(gpus) or self.options.jobs or 1, gpus)

    def jobs(self) -> list[PartJob]:
        """One for each part with something left to do."""
        fixed: dict[str, Any] = {"records": self.records, "cwd": Path.cwd(), "environment": self.environment}
        return [PartJob(self.module, self.options.arguments, one.part, one.runs, **fixed) for one in self.left]

    def show(self) -> JobPlan:
        """Print the script for Slurm and the parts; nothing is submitted or written."""
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
