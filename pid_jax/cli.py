"""`pid-estimate`: options in, settings out. jax and polars are imported once there is something to do."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from data.console import EXIT_WITH_FAILURES, run_command

if TYPE_CHECKING:
    import polars as pl

app = typer.Typer(add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False)

Preset = Literal["default", "paper"]
Split = Literal["random", "group"]

EPILOG = """
Example: `pid-estimate runs/* --out results.parquet --layers last --seeds 5`

Exit codes: 0 done, 1 done but some fits failed, 2 bad input or usage, 130 interrupted.
"""

_SETTINGS = "Estimator settings (by default the preset's)"


@app.command(epilog=EPILOG)
def command(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Run folders (pid-extract, data.write_run), or folders of them.", show_default=False),
    ],
    out: Annotated[Path, typer.Option(help="Parquet table to write; problems already in it are not fitted again.")],
    preset: Annotated[
        Preset, typer.Option(help="`default`: 5 seeds, every test row used. `paper`: as published, 1 seed.")
    ] = "default",
    layers: Annotated[str, typer.Option(help="`all`, `last`, or a list such as `1,8,last`.")] = "all",
    tau: Annotated[
        list[float] | None,
        typer.Option(
            help="Least total probability of the options, 0 to 1; repeat to compare.  [preset: 0.3]",
            rich_help_panel=_SETTINGS,
        ),
    ] = None,
    pooling: Annotated[
        list[str] | None,
        typer.Option(
            help="`mean`, `max` or `last` of a span; repeat to compare.  [preset: mean]", rich_help_panel=_SETTINGS
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(help="Number of seeds, counted from --seed.  [preset: 5, paper 1]", rich_help_panel=_SETTINGS),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="First seed.  [preset: 0, paper 42]", rich_help_panel=_SETTINGS)
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the training rows.  [preset: 8]", rich_help_panel=_SETTINGS)
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help="Rows of a batch; part of the estimator.  [preset: 256]", rich_help_panel=_SETTINGS),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Adam's step.  [preset: 0.001]", rich_help_panel=_SETTINGS)
    ] = None,
    hidden: Annotated[
        int | None, typer.Option(help="Width of the networks' layers.  [preset: 32]", rich_help_panel=_SETTINGS)
    ] = None,
    embedding: Annotated[
        int | None, typer.Option(help="Numbers per option.  [preset: 10]", rich_help_panel=_SETTINGS)
    ] = None,
    split: Annotated[
        Split | None,
        typer.Option(
            help="Split rows at random or whole groups (pictures).  [preset: random]", rich_help_panel=_SETTINGS
        ),
    ] = None,
    split_seed: Annotated[
        int | None,
        typer.Option(help="One split for all seeds.  [preset: each seed its own]", rich_help_panel=_SETTINGS),
    ] = None,
    sinkhorn_sweeps: Annotated[
        int | None, typer.Option(help="Most sweeps of Sinkhorn.  [preset: 100]", rich_help_panel=_SETTINGS)
    ] = None,
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Use unfinished runs as far as they go.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Fit everything again and drop the other rows of --out.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the runs, print the plan, write nothing.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Decompose what runs know into redundancy, vision-unique, language-unique and synergy (bits).

    Reads run folders, fits every layer of every run (BATCH, Liang et al. 2023) with all fits of equal shape in one
    compiled program, and writes one parquet table with a row per problem.
    """
    from rich.console import Console

    from pid_jax.config import PRESETS, make_config
    from pid_jax.output import read_existing, write_table
    from pid_jax.pipeline import estimate_rows, load_workloads
    from pid_jax.progress import RichProgress
    from pid_jax.report import count_failures, print_plan, print_summary, warnings_of

    base = PRESETS[preset]
    first = base.seeds[0] if seed is None else seed
    config = make_config(
        preset,
        taus=tuple(tau) if tau else None,
        poolings=tuple(pooling) if pooling else None,
        seeds=tuple(range(first, first + (len(base.seeds) if seeds is None else seeds))),
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        hidden=hidden,
        embedding=embedding,
        split=split,
        split_seed=split_seed,
        sinkhorn_sweeps=sinkhorn_sweeps,
    )
    console = Console(stderr=True, quiet=quiet, soft_wrap=True)
    existing = read_existing(out)
    if overwrite:
        existing = {}
    workloads = load_workloads(runs, config, layers, allow_partial)
    print_plan(console, workloads, config)
    if dry_run:
        console.print(f"dry run: `{out}` not written")
        return
    started = time.perf_counter()

    def save(rows: list[dict[str, Any]]) -> "pl.DataFrame":
        fresh = {row["problem_id"] for row in rows}
        return write_table(out, rows + [row for name, row in existing.items() if name not in fresh])

    with RichProgress(console) as progress:
        rows = estimate_rows(workloads, config, progress, existing, save)
    frame = save(rows)
    print_summary(console, frame)
    for sentence in warnings_of(frame):
        console.print(f"warning: {sentence}", markup=False, highlight=False)
    console.print(f"{len(rows)} rows in `{out}`, {time.perf_counter() - started:.1f} s", highlight=False)
    if failures := count_failures(frame):
        console.print(f"{failures} of {len(frame)} rows failed; their `result` column says why")
        raise typer.Exit(EXIT_WITH_FAILURES)


def main() -> NoReturn:
    """Entry point of the console script."""
    run_command(app)
