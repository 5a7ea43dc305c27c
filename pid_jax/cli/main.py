"""The command `pid-estimate` and its options. jax and polars are imported only when needed."""

if __name__ == "__main__":  # before the imports: Ctrl-C must work during them
    from pid_lvlm.commands import start

    start("pid_jax.cli.main")

import sys
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer

from pid_jax.cli.options import with_settings
from pid_jax.setting import ArgumentError
from pid_lvlm.data.cluster.options import Executor, JobOptions, Jobs, Slurm, Status, check_executor, job_arguments
from pid_lvlm.data.command.console import run_command
from pid_lvlm.data.command.options import AsJson, DryRun, Quiet, Version, epilog, make_app
from pid_lvlm.data.command.result import CommandResult

app = make_app()

_MACHINE = "How it runs (changes no numbers beyond rounding)"
_MANY = "Several processes"


@app.command(
    epilog=epilog(
        "pid-estimate runs --out results.parquet",
        "pid-estimate runs/demo-* --out results.parquet --layers last --seeds 10",
        failing="some fits failed",
    )
)
@with_settings(before="memory_budget")
def command(
    context: typer.Context,
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUNS", help="Run folders, or folders that hold run folders.", show_default=False),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="Result table to write (parquet). Problems already in it are not fitted again.",
            show_default=False,
        ),
    ],
    preset: Annotated[
        Literal["default", "paper"],
        typer.Option(metavar="PRESET", help="`default`: 5 seeds, uses every test row; `paper`: as published, 1 seed."),
    ] = "default",
    layers: Annotated[str, typer.Option(metavar="LAYERS", help="`all`, `last`, or a list such as `1,8,last`.")] = "all",
    pointwise: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write the exact atoms of every item to this file (parquet); join by `sample_id`.",
        ),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="TOML file with settings named like these options; the command line takes precedence.",
        ),
    ] = None,
    memory_budget: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Memory to use, such as `8GB`.  [default: free GPU memory, or half of the host's]",
            rich_help_panel=_MACHINE,
        ),
    ] = None,
    devices: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Number of devices to spread the fits over; a CPU is split into this many.  [default: all GPUs, or "
            "all CPU cores]",
            rich_help_panel=_MACHINE,
        ),
    ] = None,
    cache: Annotated[
        str,
        typer.Option(metavar="FOLDER", help="Folder for compiled programs, `auto` or `off`.", rich_help_panel=_MACHINE),
    ] = "auto",
    part: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Fit only part I of N of the problems, such as 2/8, into a table next to --out: for several processes "
            "or a job array.",
            rich_help_panel=_MANY,
        ),
    ] = None,
    distributed: Annotated[
        bool,
        typer.Option(
            "--distributed",
            help="Share the work with the other processes of this Slurm or MPI job.",
            rich_help_panel=_MANY,
        ),
    ] = False,
    coordinator: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Address of process 0, outside Slurm and MPI.", rich_help_panel=_MANY),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(metavar="N", help="Number of processes, outside Slurm and MPI.", rich_help_panel=_MANY),
    ] = None,
    process: Annotated[
        int | None,
        typer.Option(metavar="N", help="Number of this process, from 0, outside Slurm and MPI.", rich_help_panel=_MANY),
    ] = None,
    executor: Executor = None,
    jobs: Jobs = None,
    slurm: Slurm = None,
    status: Status = False,
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Use the finished shards of unfinished runs.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Estimate everything again; drops all earlier rows of --out.")
    ] = False,
    dry_run: DryRun = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            help="Also print shapes, chunks and memory of every group of problems, and the number of programs.",
        ),
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
    version: Version = False,
    **_: Any,
) -> CommandResult:
    """Decompose the information in run folders into redundancy, vision-unique, language-unique and synergy (bits).

    Decomposes every layer of every run by BATCH (Liang et al. 2023) and by the exact optimum with certified bounds, and
    writes one parquet table with a row per problem and estimator. To resume after an interruption, run the same command
    again.
    """
    from pid_jax.cli.settings_file import KEYS, make_settings, read_settings

    check_executor(executor, jobs, slurm, part)
    config, chosen = make_settings(read_settings(settings) if settings else {}, _given(context, KEYS))
    if status:
        from pid_jax.cli.status import estimate_status

        return estimate_status(runs, out, config, chosen)
    from pid_jax.cli.job import Job, Processes, run_job

    job = Job(
        runs=tuple(runs),
        out=out,
        layers=chosen,
        pointwise=pointwise,
        memory_budget=memory_budget,
        devices=devices,
        cache=cache,
        processes=Processes(part, distributed or coordinator is not None, coordinator, processes, process),
        allow_partial=allow_partial,
        overwrite=overwrite,
        dry_run=dry_run,
        verbose=verbose,
        quiet=quiet,
    )
    try:
        if executor is not None:
            from pid_jax.cli.as_jobs import estimate_as_jobs

            return estimate_as_jobs(
                job, config, JobOptions(executor, jobs, tuple(slurm or ()), job_arguments(sys.argv[1:]))
            )
        return run_job(job, config)
    except ArgumentError as error:
        raise error.of_option() from error


def _given(context: typer.Context, names: Any) -> dict[str, Any]:
    """Options given on the command line, by name."""
    given = {}
    for name in names:
        source = context.get_parameter_source(name.replace("-", "_"))
        if source is not None and source.name == "COMMANDLINE":
            given[name] = context.params[name.replace("-", "_")]
    return given


def main() -> NoReturn:
    """The console script."""
    run_command("pid-estimate", app, extra="estimate", kept="every whole chunk of rows is kept")
