"""Options of `pid-extract` for how it runs: batches, processes, files, device. They affect rounding only."""

from typing import Annotated, Final

import typer

WORK: Final = "How it runs"
"""Heading of these options in the help."""

BatchSize = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="Maximum number of samples per forward pass; affects rounding only. Halved when memory runs out.",
        rich_help_panel=WORK,
    ),
]
BatchTokens = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Maximum number of tokens per forward pass, including padding; useful for prompts or images of very "
        "different length. Default: no limit.",
        rich_help_panel=WORK,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Number of processes that prepare images while the device computes. Default: 0 on a CPU, else up to 4.",
        rich_help_panel=WORK,
    ),
]
ShardSize = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="Samples per file; an interrupted run resumes after the last complete file.",
        rich_help_panel=WORK,
    ),
]
KeepItems = Annotated[
    str | None,
    typer.Option(
        metavar="none|text|pictures",
        help="What run folders keep of the items, for reports: nothing, questions and options, or these plus "
        "thumbnails. Default: what the sweep file or card says, else pictures.",
        rich_help_panel=WORK,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        metavar="DEVICE",
        help="cpu, cuda, cuda:1 and so on; auto uses a GPU if there is one.",
        rich_help_panel=WORK,
    ),
]
