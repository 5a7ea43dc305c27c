"""Options of `pid-extract` that do something other than running the model on everything."""

from pathlib import Path
from typing import Annotated

import typer

INSTEAD = "Instead of running"
"""Heading of these options in the help."""

Check = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FOLDER",
        help="Validate a run folder and list every fault. Repeat for several.",
        rich_help_panel=INSTEAD,
    ),
]
Verify = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MODEL",
        help="Only run the checks that every run starts with, on the first items of --data or on generated items, "
        "and print them. Writes nothing. Repeat for several.",
        rich_help_panel=INSTEAD,
    ),
]
CheckData = Annotated[
    bool,
    typer.Option(
        "--check-data",
        help="Like --dry-run, but the model's processor prepares every item, not only likely bad ones.",
        rich_help_panel=INSTEAD,
    ),
]
Preview = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Write only the prompts, spans, letters and images of the first N items to --out. Loads no weights.",
        rich_help_panel=INSTEAD,
    ),
]
ListModels = Annotated[
    bool,
    typer.Option("--list-models", help="List the model types that can be read.", rich_help_panel=INSTEAD),
]
ListDatasets = Annotated[
    bool,
    typer.Option(
        "--list-datasets",
        help="List the known benchmarks and where their files come from.",
        rich_help_panel=INSTEAD,
    ),
]
