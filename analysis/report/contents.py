"""The contents of a report: its figures and tables in order, each with title, caption and how it is made."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import altair as alt
import polars as pl

from pid_lvlm.analysis import figures, tables
from pid_lvlm.analysis.report.display import PageTable, ground_truth_table, plain_table, summary_table

_INTERVAL: Final = (
    "{}: 95 % interval of the mean over seeds, where there are several. Values below 0 are estimation error."
)


@dataclass(frozen=True)
class FigurePart:
    """A figure of the report; `name` is its file name without the extension."""

    name: str
    title: str
    caption: str
    draw: Callable[[pl.DataFrame], alt.FacetChart]


@dataclass(frozen=True)
class TablePart:
    """A table of the report: `make` computes it, `show` lays it out for the page, `empty` is shown if it has no row."""

    name: str
    title: str
    caption: str
    make: Callable[[pl.DataFrame], pl.DataFrame]
    show: Callable[[pl.DataFrame], PageTable]
    empty: str = "None."


PARTS: Final[tuple[FigurePart | TablePart, ...]] = (
    FigurePart(
        "spectrum",
        "Information spectrum",
        "The four atoms in bits at the output layer of each model's final checkpoint, one panel per dataset. "
        "Black tick: ground truth, where it is known and not 0. " + _INTERVAL.format("Thin line"),
        figures.spectrum,
    ),
    TablePart(
        "summary",
        "Summary",
        "Final checkpoint, output layer. Atoms and I(X1,X2;Y) in bits, ± standard deviation over seeds. "
        "Vision gain: accuracy with the picture minus accuracy without it. Circular accuracy, for benchmarks that "
        "repeat a question with its options reordered: the share of questions that are answered correctly every time.",
        tables.summary,
        summary_table,
    ),
    TablePart(
        "ground_truth",
        "Ground truth against estimates",
        "Where the true atoms are known: ground truth → estimate (before the cut at 0), in bits. The verdict is about "
        "the atoms in bold: the largest true one, or all four of a mixture.",
        tables.ground_truth,
        ground_truth_table,
    ),
    FigurePart(
        "layers",
        "Layer by layer",
        "The four atoms in bits at every recorded decoder layer, read through the logit lens (the model's final norm "
        "and head applied to the layer's state); the last layer is the model's output. " + _INTERVAL.format("Band"),
        figures.layers,
    ),
    FigurePart(
        "training",
        "Over training",
        "The four atoms in bits at the output layer of each training checkpoint. A dashed line marks the start of each "
        "training stage. " + _INTERVAL.format("Band"),
        figures.training,
    ),
    TablePart(
        "failed",
        "Failed fits",
        "These appear in no figure and in no other table.",
        tables.failed,
        plain_table,
        "None: every fit succeeded.",
    ),
    TablePart(
        "diagnostics",
        "Diagnostics beyond their limits",
        "Every row and diagnostic that the warnings at the top summarise.",
        tables.diagnostics,
        plain_table,
        "None: every diagnostic is within its limit.",
    ),
)
"""Figures and tables in the order of the page."""
