"""The command `pid-report`: result tables in, one offline report with its figures and tables out.

Nothing heavy is imported here: polars and altair wait until there is something to do.
"""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pid_lvlm.data.command.console import EXIT_WITH_FAILURES, run_command

EPILOG = (
    "Exit codes: 0 done; 1 done, but the tables hold problems without an answer; 2 bad input or usage; 130 interrupted."
    "\n\n"
    "Example: pid-report out/demo/results.parquet --out out/demo/report"
)


class Format(StrEnum):
    """File formats of a figure."""

    svg = "svg"
    png = "png"


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")


@app.command(epilog=EPILOG)
def report(
    tables: Annotated[
        list[Path],
        typer.Argument(metavar="RESULTS.parquet...", help="Result tables of pid-estimate.", show_default=False),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder of the report: index.html, figures/, tables/. An earlier report there is replaced; anything "
            "else is left untouched and is an error.",
            show_default=False,
            rich_help_panel="Output",
        ),
    ],
    formats: Annotated[
        list[Format],
        typer.Option("--format", help="Format of the figure files; repeat for both.", rich_help_panel="Output"),
    ] = [Format.svg, Format.png],  # noqa: B006  # typer reads the default, nobody changes it
    title: Annotated[str, typer.Option(help="Title of the page.", rich_help_panel="Output")] = "Information spectrum",
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Check the input, list what would be written, stop.", rich_help_panel="Run"),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors only.", rich_help_panel="Run")] = False,
) -> None:
    """Turn result tables into one offline HTML report, with every figure and table also as a file.

    The page holds the information spectrum (redundancy, vision-unique, language-unique, synergy; in bits) of every
    model and dataset, its course over layers and training, the true values where they are known, and where the
    numbers come from. It loads nothing from a network.
    """
    from pid_lvlm.analysis.report.build import build_report

    outcome = build_report(tables, out, title=title, formats=[str(each) for each in formats], dry_run=dry_run)
    if not quiet:
        if dry_run:
            typer.echo(f"would write {len(outcome.files)} files:")
            typer.echo("\n".join(str(out / name) for name in outcome.files))
        else:
            typer.echo(f"{out / outcome.files[0]} (and {len(outcome.files) - 1} figure and table files beside it)")
    if outcome.failed:
        sys.stderr.write(f"{outcome.failed} of {outcome.problems} problems have no answer; the report lists them\n")
        sys.exit(EXIT_WITH_FAILURES)


def main() -> None:
    """Entry point of the console script."""
    run_command(app)


if __name__ == "__main__":
    main()
