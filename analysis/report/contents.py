"""The contents of a report: its figures and tables in order, each with title, caption and how it is made."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import altair as alt
import polars as pl

from pid_lvlm.analysis import figures, paper, tables
from pid_lvlm.analysis.frames.estimators import SWEEP
from pid_lvlm.analysis.report.captions import interval_caption, summary_caption
from pid_lvlm.analysis.report.display import (
    PageTable,
    batch_and_exact_table,
    ground_truth_table,
    paper_table,
    plain_table,
    summary_table,
)

Caption = Callable[[pl.DataFrame, str], str]
"""What a table and the estimator that is preferred have for a caption."""


def _nothing(_results: pl.DataFrame, _estimator: str) -> str:
    return ""


@dataclass(frozen=True)
class FigurePart:
    """A figure of the report, of one estimator.

    Attributes:
        name: its file name without the extension.
        title: its heading.
        text: its caption, as far as it is the same for every table.
        draw: draws it, from the table and the estimator to prefer.
        of_table: the rest of its caption.
    """

    name: str
    title: str
    text: str
    draw: Callable[[pl.DataFrame, str], alt.FacetChart]
    of_table: Caption = _nothing


@dataclass(frozen=True)
class TablePart:
    """A table of the report.

    Attributes:
        name: its file name without the extension.
        title: its heading.
        text: its caption, as far as it is the same for every table.
        make: computes it.
        show: lays it out for the page.
        empty: what is shown if it has no row.
        of_table: the rest of its caption.
        of_one: whether it is of one estimator, which `make` then gets to know.
    """

    name: str
    title: str
    text: str
    make: Callable[..., pl.DataFrame]
    show: Callable[[pl.DataFrame], PageTable]
    empty: str = "None."
    of_table: Caption = _nothing
    of_one: bool = False


def _not_in_paper(results: pl.DataFrame, _estimator: str) -> str:
    return paper.not_in_paper(results)


PARTS: Final[tuple[FigurePart | TablePart, ...]] = (
    FigurePart(
        "spectrum",
        "Information spectrum",
        "The four atoms in bits at the output layer of each model's final checkpoint, one panel per dataset. "
        "Black tick: ground truth, where it is known and not 0.",
        figures.spectrum,
        partial(interval_caption, mark="Thin line", centre="Dot"),
    ),
    TablePart(
        "summary",
        "Summary",
        "",
        tables.summary,
        summary_table,
        of_table=summary_caption,
        of_one=True,
    ),
    TablePart(
        "ground_truth",
        "Ground truth against estimates",
        "Where the true atoms are known: ground truth → estimate (before the cut at 0), in bits; in brackets the "
        "interval over items, where there is one. The verdict is about the atoms in bold: the largest true one, or all "
        "four of a mixture. An atom whose ground truth is inside that interval is within tolerance.",
        tables.ground_truth,
        ground_truth_table,
    ),
    TablePart(
        "batch_and_exact",
        "BATCH beside the certified optimum",
        "Final checkpoint, output layer, in bits. Each atom: BATCH's estimate, and in brackets the certified interval, "
        "which contains the optimum for these items (rounded outwards; it says nothing about other items). Excess: "
        "BATCH's I_q minus the optimum for its own test batches, which lowers redundancy and synergy and raises both "
        "unique atoms by as much. Gap: width of the certified interval on I_q. Marginals: largest range of an atom "
        "over the ways to bring the sources to one P(Y). Last, the redundancy by two other definitions: min(I1, I2) "
        "(MMI), and I_min of Williams and Beer.",
        tables.batch_and_exact,
        batch_and_exact_table,
    ),
    FigurePart(
        "layers",
        "Layer by layer",
        "The four atoms in bits at every recorded decoder layer, read through the logit lens (the model's final norm "
        "and head applied to the layer's state); the last layer is the model's output.",
        figures.layers,
        partial(interval_caption, mark="Band", of=SWEEP),
    ),
    FigurePart(
        "training",
        "Over training",
        "The four atoms in bits at the output layer of each training checkpoint. A dashed line marks the start of each "
        "training stage.",
        figures.training,
        partial(interval_caption, mark="Band"),
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

COMPARISONS: Final[dict[str, TablePart]] = {
    "paper": TablePart(
        "paper",
        "Beside the paper",
        f"Numbers that the paper prints, and those of this table. The paper: {paper.CITATION}. T1 to T5: its tables. "
        "TXT: its text. The paper estimates by BATCH with one seed; here every estimator has a row of its own. "
        "Correlations are over all models of this table that have the benchmark; p is two-sided and treats models as "
        "independent. Changes between sizes are in percentage points; the paper does not say what its own are in. In "
        "brackets: the 95 % interval of the value here, which covers items for the exact estimator and seeds for BATCH "
        "(the column “interval” of the file); the paper has none. Its noise and split are not public, so that "
        "differences are expected. Spectra and accuracies of single models exist in the paper only as figures and "
        "cannot be compared.",
        paper.comparison,
        paper_table,
        of_table=_not_in_paper,
    ),
}
"""Parts that a report has if it is asked to compare with what was published, by the name of what that is."""
