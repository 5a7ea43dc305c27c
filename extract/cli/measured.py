"""Options of `pid-extract` for what is measured: probes of the two sources, precision, processing, revision."""

from typing import Annotated

import typer

NUMBERS = "What is measured"
"""Heading of these options in the help."""

Seed = Annotated[
    int, typer.Option(metavar="N", help="Seed for the noise and all random draws.", rich_help_panel=NUMBERS)
]
Crossed = Annotated[
    int | None,
    typer.Option(
        metavar="M",
        help="Also ask M questions about every image, its own and those of M - 1 other items, for the estimate "
        "from crossed pairs.",
        rich_help_panel=NUMBERS,
    ),
]
CrossedWithin = Annotated[
    str,
    typer.Option(
        metavar="dataset|group",
        help="Which items --crossed exchanges questions among: all with the same number of options, or only those in "
        "the same group.",
        rich_help_panel=NUMBERS,
    ),
]
Ablation = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Add conditions in which one or both sources are replaced by something other than noise: `mean` (the "
        "mean embedding), `other` (another item's), `blank` (grey image, no question). `noise` adds the condition with "
        "both sources as noise. Repeat for several.",
        rich_help_panel=NUMBERS,
    ),
]
OtherDraws = Annotated[
    int,
    typer.Option(
        metavar="N", help="Number of other items that --ablation other draws for each sample.", rich_help_panel=NUMBERS
    ),
]
Dtype = Annotated[
    str | None,
    typer.Option(
        metavar="DTYPE",
        help="float32, bfloat16 or float16. Default: float32 on a CPU, else the checkpoint's.",
        rich_help_panel=NUMBERS,
    ),
]
HeadDtype = Annotated[
    str,
    typer.Option(
        metavar="float32|model",
        help="Precision of the scored logits at every layer; `model` uses the model's own.",
        rich_help_panel=NUMBERS,
    ),
]
Processor = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE",
        help="Override a setting of the models' image processor, such as max_pixels=1003520. Repeat for several.",
        rich_help_panel=NUMBERS,
    ),
]
Revision = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Branch, tag or commit of a hub model.", rich_help_panel=NUMBERS),
]
