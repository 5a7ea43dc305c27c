"""Options of `pid-extract` that replace the normal run."""

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
        help="Run only the checks that every run starts with, on the first items of --data or on generated items, "
        "and print them. Writes nothing. Repeat for several.",
        rich_help_panel=INSTEAD,
    ),
]
CheckData = Annotated[
    bool,
    typer.Option(
        "--check-data",
        help="Like --dry-run, but run every item through the model's processor, not only those likely to fail.",
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
    typer.Option("--list-models", help="List the supported model types.", rich_help_panel=INSTEAD),
]
ListDatasets = Annotated[
    bool,
    typer.Option(
        "--list-datasets",
        help="List the known benchmarks and where their files come from.",
        rich_help_panel=INSTEAD,
    ),
]
