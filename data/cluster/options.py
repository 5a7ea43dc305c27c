"""The options that run a command as jobs, shared by every command that has parts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import typer

from pid_lvlm.data.bounds import PARTS
from pid_lvlm.data.command.options import JSON_OPTION, QUIET_OPTIONS
from pid_lvlm.data.command.shown import cut
from pid_lvlm.data.command.suggest import unknown_name
from pid_lvlm.data.errors import PidError

LOCAL: Final = "local"
SLURM: Final = "slurm"
EXECUTORS: Final = (LOCAL, SLURM)

PANEL: Final = "As jobs"

Executor = Annotated[
    str | None,
    typer.Option(
        metavar="local|slurm",
        help="Split the work into parts, run each as a job on this machine or under Slurm, and wait for them. "
        "Default: run in this process.",
        rich_help_panel=PANEL,
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(metavar="N", help="Number of jobs to split the work into.", rich_help_panel=PANEL),
]
Slurm = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE",
        help="What each job requests from Slurm, such as partition=gpu or time=24:00:00. Repeat for several.",
        rich_help_panel=PANEL,
    ),
]
Status = Annotated[
    bool,
    typer.Option(
        "--status", help="Show the progress of the work, by this or any other command or job; change nothing."
    ),
]


@dataclass(frozen=True)
class JobOptions:
    """How a command is run as jobs.

    Attributes:
        executor: `local` or `slurm`.
        jobs: number of jobs to split the work into; None for as many as suit the work.
        slurm: `KEY=VALUE` strings.
        arguments: the command's arguments without these options.
    """

    executor: str
    jobs: int | None
    slurm: tuple[str, ...]
    arguments: tuple[str, ...]


def check_executor(executor: str | None, jobs: int | None, slurm: Sequence[str] | None, part: str | None) -> None:
    """Reject options that conflict.

    Raises:
        PidError: an unknown executor, or an option that needs another one.
    """
    if executor is not None and executor not in EXECUTORS:
        raise PidError(unknown_name("--executor: unknown value", executor, EXECUTORS))
    if executor is None and jobs is not None:
        raise PidError("--jobs needs --executor local or slurm")
    if executor != SLURM and slurm:
        raise PidError("--slurm needs --executor slurm")
    if executor is not None and part is not None:
        raise PidError("--part and --executor both divide the work; give one of them")
    if jobs is not None and not 1 <= jobs <= PARTS.most:
        raise PidError(f"--jobs: expected an integer from 1 to {PARTS.most}, found {cut(str(jobs))}")


def job_arguments(arguments: Sequence[str]) -> tuple[str, ...]:
    """A command's arguments without those that only the submitting command needs.

    Example:
        >>> job_arguments(["--sweep", "s.toml", "--executor", "local", "--slurm=time=1-0", "--json"])
        ('--sweep', 's.toml')
    """
    with_value = re.compile("--(executor|jobs|slurm)(=.*)?", re.DOTALL)
    kept: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if found := with_value.fullmatch(argument):
            if found[2] is None:
                next(rest, None)
        elif argument not in (JSON_OPTION, *QUIET_OPTIONS):
            kept.append(argument)
    return tuple(kept)
