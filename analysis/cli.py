"""The command `pid-report`: from result tables to one offline report with its figures and tables.

Nothing heavy is imported here: polars and altair are loaded only when needed.
"""

if __name__ == "__main__":  # before the imports: Ctrl-C must work during them
    from pid_lvlm.commands import start

    start("pid_lvlm.analysis.cli")

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from pid_lvlm.data.bounds import CARDS
from pid_lvlm.data.command.console import run_command
from pid_lvlm.data.command.options import AsJson, DryRun, Quiet, Version, epilog, make_app
from pid_lvlm.data.command.result import CommandResult
from pid_lvlm.data.errors import PidError


class Format(StrEnum):
    """File formats of a figure."""

    svg = "svg"
    png = "png"
    pdf = "pdf"


class Estimator(StrEnum):
    """Estimators that can have rows for the same problem in a result table."""

    exact = "exact"
    batch = "batch"


class Summary(StrEnum):
    """Formats of the printed headline table."""

    table = "table"
    markdown = "markdown"
    json = "json"


class Published(StrEnum):
    """Published numbers that a report can compare with."""

    paper = "paper"


app = make_app()


@dataclass(frozen=True, kw_only=True)
class Report(CommandResult):
    """A report that was or would be written: `done` counts its files, `failed` the failed fits in the tables.

    Attributes:
        out: its folder.
        page: its page.
        files: all its files, the page first.
        rows: how many rows the tables hold.
        comparison: with `--compare`, each published number next to the one here.
        items: with `--pointwise`, number of items with atoms over all models.
    """

    out: Path
    page: Path
    files: tuple[Path, ...]
    rows: int
    comparison: tuple[dict[str, Any], ...] | None = None
    items: int | None = None


@app.command(
    epilog=epilog(
        "pid-report results.parquet --out report --open",
        "pid-report results.parquet --out report --summary markdown --quiet",
        'pid-report out/demo/results.parquet --out out/demo/report --title "Demo" --format svg',
        "pid-report results.parquet --out report --pointwise items.parquet --runs runs",
        "pid-report results.parquet --out report --losses out/llava/losses.jsonl",
        failing="done, but the tables hold failed fits",
    )
)
def report(
    tables: Annotated[
        list[Path],
        typer.Argument(metavar="RESULTS", help="Result tables of pid-estimate.", show_default=False),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER",
            help="Folder of the report: index.html, figures/, tables/. An earlier report there is replaced; any other "
            "non-empty folder is an error and is left untouched.",
            show_default=False,
        ),
    ],
    formats: Annotated[
        list[Format],
        typer.Option("--format", metavar="svg|png|pdf", help="Format of the figure files; repeat for several."),
    ] = [Format.svg, Format.png, Format.pdf],  # noqa: B006  # typer only reads the default
    estimator: Annotated[
        Estimator,
        typer.Option(
            metavar="exact|batch",
            help="Estimator to show for problems solved by both; others are shown by the one they have.",
        ),
    ] = Estimator.exact,
    compare: Annotated[
        Published | None,
        typer.Option(
            metavar="paper",
            help="Also compare with the published numbers of the paper that this analysis follows. (To compare two "
            "result tables, use python -m pid_lvlm.analysis.compare.)",
            show_default=False,
        ),
    ] = None,
    pointwise: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Also show single items with their atoms, and paired differences on the same items, from this file of "
            "pid-estimate --pointwise; repeat for several.",
            show_default=False,
        ),
    ] = None,
    runs: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER",
            help="Run folder, or folder of run folders, to show the runs' receipts and the questions, pictures and "
            "probabilities of single items; repeat for several.",
            show_default=False,
        ),
    ] = None,
    items: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=CARDS.most,
            metavar="N",
            help="Items per dataset on the page, each with every model. Default: 48, or as many as fit into 2 MB.",
            show_default=False,
        ),
    ] = None,
    losses: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]FILE",
            help="Also show a model's training losses: losses.jsonl of pid-train, or its folder; repeat for several. "
            "NAME is the model's name in the tables, needed if there is no training.json next to the file.",
            show_default=False,
        ),
    ] = None,
    title: Annotated[str, typer.Option(metavar="TEXT", help="Title of the page.")] = "Information spectrum",
    summary: Annotated[
        Summary | None,
        typer.Option(
            metavar="table|markdown|json",
            help="Also print the headline table on standard output, one row per model and dataset.",
            show_default=False,
        ),
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser when done.")] = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
    version: Version = False,
) -> CommandResult:
    """Turn result tables into one offline HTML report, with every figure and table also as a separate file.

    The page shows the information spectrum (redundancy, vision-unique, language-unique and synergy, in bits) of every
    model and dataset, how it changes over layers and training, the ground truth if known, how far BATCH is from the
    certified optimum, and how the numbers were produced. It loads nothing from the network.
    """
    from pid_lvlm.analysis.report import terminal
    from pid_lvlm.analysis.report.build import build_report

    if items and not pointwise:
        raise PidError("--items: items are shown with their atoms; add --pointwise FILE, from pid-estimate")
    outcome = build_report(
        tables,
        out,
        title=title,
        formats=[str(each) for each in formats],
        estimator=str(estimator),
        compare=None if compare is None else str(compare),
        pointwise=pointwise or (),
        runs=runs or (),
        most_items=items,
        losses=losses or (),
        summary=None if summary is None else str(summary),
        dry_run=dry_run,
    )
    files = tuple(out / name for name in outcome.files)
    if dry_run:
        typer.echo(f"would write {len(files)} files:")
        typer.echo("\n".join(map(str, files)))
    elif not quiet:
        typer.echo(f"{files[0]} (and {len(files) - 1} figure and table files with it)", err=True)
    for sentence in () if quiet else outcome.items_missing:
        typer.echo(f"warning: items: {sentence}", err=True)
    if outcome.summary is not None:
        typer.echo(outcome.summary)
    if open_page and not dry_run:
        sentence = terminal.open_page(files[0])
        if sentence:
            typer.echo(sentence, err=True)
    if outcome.failed:
        typer.echo(f"{outcome.failed} of {outcome.problems} fits failed; the report lists them", err=True)
    return Report(
        action="dry-run" if dry_run else "run",
        done=len(files),
        failed=outcome.failed,
        failures=tuple(outcome.failures),
        out=out,
        page=files[0],
        files=files,
        rows=outcome.problems,
        comparison=None if outcome.comparison is None else tuple(outcome.comparison),
        items=outcome.items,
    )


def main() -> NoReturn:
    """The console script."""
    run_command("pid-report", app, extra="analysis", kept="an earlier report is untouched")
