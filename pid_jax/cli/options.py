"""The options of `pid-estimate` that set the estimator: names, types and help, one line each."""

from typing import Annotated, Any, Literal

import typer

PANEL = "Estimator settings (by default the preset's)"


def _setting(text: str) -> Any:
    return typer.Option(help=text, rich_help_panel=PANEL)


Tau = Annotated[
    list[float] | None, _setting("Least total probability of the options, 0 to 1; repeat to compare.  [preset: 0.3]")
]
Pooling = Annotated[list[str] | None, _setting("`mean`, `max` or `last` of a span; repeat to compare.  [preset: mean]")]
Seeds = Annotated[int | None, _setting("Number of seeds, counted from --seed.  [preset: 5, paper 1]")]
Seed = Annotated[int | None, _setting("First seed.  [preset: 0, paper 42]")]
Epochs = Annotated[int | None, _setting("Passes over the training rows.  [preset: 8]")]
BatchSize = Annotated[int | None, _setting("Rows of a batch; part of the estimator.  [preset: 256]")]
LearningRate = Annotated[float | None, _setting("Adam's step.  [preset: 0.001]")]
Hidden = Annotated[int | None, _setting("Width of the networks' layers.  [preset: 32]")]
HiddenLayers = Annotated[int | None, _setting("Hidden layers, the first included.  [preset: 4]")]
Embedding = Annotated[int | None, _setting("Numbers per option.  [preset: 10]")]
TrainShare = Annotated[float | None, _setting("Share of the rows that trains.  [preset: 0.75]")]
Split = Annotated[
    Literal["random", "group"] | None, _setting("Split rows at random or whole groups (pictures).  [preset: random]")
]
SplitSeed = Annotated[int | None, _setting("One split for all seeds.  [preset: each seed its own]")]
Fallback = Annotated[
    Literal["real", "four"] | None,
    _setting("Uncertain rows: uniform over an item's real options or over four letters.  [preset: real, paper four]"),
]
DropIncomplete = Annotated[
    bool | None,
    typer.Option(
        "--drop-incomplete/--keep-incomplete",
        help="Whether test rows that do not fill a batch are left out.  [preset: kept, paper dropped]",
        rich_help_panel=PANEL,
    ),
]
AnchorSource = Annotated[
    Literal["vision", "language"] | None,
    _setting("Source whose rows the coupling keeps exactly and its loss averages over.  [preset: vision]"),
]
LanguageCondition = Annotated[
    Literal["language_only", "no_image"] | None,
    _setting("Condition that gives p(y|question): noise for the picture, or no picture.  [preset: language_only]"),
]
SinkhornThreshold = Annotated[
    float | None, _setting("L1 error of a marginal of mass 1 at which Sinkhorn stops.  [preset: 1e-05]")
]
SinkhornSweeps = Annotated[int | None, _setting("Most sweeps of Sinkhorn.  [preset: 100]")]
MatmulPrecision = Annotated[
    Literal["default", "high", "highest"] | None,
    _setting("Precision of matrix products; on a GPU `default` may be TF32.  [preset: highest]"),
]
