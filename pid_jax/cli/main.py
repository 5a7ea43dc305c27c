"""`pid-estimate`: its options. jax and polars are imported only once there is something to do."""

from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer

from pid_jax.cli.options import with_settings
from pid_jax.setting import ArgumentError
from pid_lvlm.data.command.console import EXIT_WITH_FAILURES, run_command

app = typer.Typer(add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False)

EPILOG = """
Example: `pid-estimate runs/* --out results.parquet --layers last --seeds 5`

Exit codes: 0 done, 1 done but some fits failed, 2 bad input or usage, 130 interrupted.
"""

_MACHINE = "How it runs (changes no numbers beyond rounding)"
_MANY = "Several processes"


@app.command(epilog=EPILOG)
@with_settings(before="memory_budget")
def command(
    context: typer.Context,
    runs: Annotated[
        list[Path],
        typer.Argument(help="Run folders, or folders of run folders.", show_default=False),
    ],
    out: Annotated[Path, typer.Option(help="Parquet table to write; problems already in it are not fitted again.")],
    preset: Annotated[
        Literal["default", "paper"],
        typer.Option(help="`default`: 5 seeds, every test row used. `paper`: as published, 1 seed."),
    ] = "default",
    layers: Annotated[str, typer.Option(help="`all`, `last`, or a list such as `1,8,last`.")] = "all",
    settings: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with settings, named like these options; options on the command line take precedence."
        ),
    ] = None,
    memory_budget: Annotated[
        str | None,
        typer.Option(
            help="Memory to use, such as `8GB`.  [default: what a GPU has free, or half of the host's]",
            rich_help_panel=_MACHINE,
        ),
    ] = None,
    devices: Annotated[
        int | None,
        typer.Option(
            help="Number of devices that share the fits; a CPU is split into that many.  "
            "[default: all GPUs; a CPU's cores]",
            rich_help_panel=_MACHINE,
        ),
    ] = None,
    cache: Annotated[
        str,
        typer.Option(help="Folder for compiled programs, `auto` or `off`.", rich_help_panel=_MACHINE),
    ] = "auto",
    part: Annotated[
        str | None,
        typer.Option(
            help="Only part i/n of the problems, e.g. 2/8, into a table beside --out: for job arrays.",
            rich_help_panel=_MANY,
        ),
    ] = None,
    distributed: Annotated[
        bool,
        typer.Option(
            "--distributed", help="One of several processes (Slurm, MPI) that share the work.", rich_help_panel=_MANY
        ),
    ] = False,
    coordinator: Annotated[
        str | None, typer.Option(help="host:port of process 0, outside Slurm and MPI.", rich_help_panel=_MANY)
    ] = None,
    processes: Annotated[
        int | None, typer.Option(help="Number of processes, outside Slurm and MPI.", rich_help_panel=_MANY)
    ] = None,
    process: Annotated[
        int | None, typer.Option(help="Index of this process, from 0, outside Slurm and MPI.", rich_help_panel=_MANY)
    ] = None,
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Use the finished shards of unfinished runs.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Fit everything again; all earlier rows of --out are dropped.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the runs, print the plan and what is already done, write nothing.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Also print shapes, chunks and memory of every compiled program.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
    **_: Any,
) -> None:
    """Decompose the information of runs into redundancy, unique vision, unique language and synergy (bits).

    Reads run folders, fits every layer of every run (BATCH, Liang et al. 2023) with all fits of equal shape in one
    compiled program, and writes one parquet table with a row per problem.
    """
    from pid_jax.cli.job import Job, Processes, run_job
    from pid_jax.cli.settings_file import KEYS, make_settings, read_settings

    config, chosen = make_settings(read_settings(settings) if settings else {}, _given(context, KEYS))
    job = Job(
        runs=tuple(runs),
        out=out,
        layers=chosen,
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
        failed = run_job(job, config)
    except ArgumentError as error:
        raise error.of_option() from error
    if failed:
        raise typer.Exit(EXIT_WITH_FAILURES)


def _given(context: typer.Context, names: Any) -> dict[str, Any]:
    """Options given on the command line, by name."""
    given = {}
    for name in names:
        source = context.get_parameter_source(name.replace("-", "_"))
        if source is not None and source.name == "COMMANDLINE":
            given[name] = context.params[name.replace("-", "_")]
    return given


def main() -> NoReturn:
    """Entry point of the console script."""
    run_command(app)
