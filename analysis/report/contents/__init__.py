"""The contents of a report: its figures and tables in order."""

from typing import Final

import polars as pl

from pid_lvlm.analysis import paper, tables
from pid_lvlm.analysis.report.contents.curves import CURVES
from pid_lvlm.analysis.report.contents.differences import DIFFERENCES
from pid_lvlm.analysis.report.contents.headline import HEADLINE
from pid_lvlm.analysis.report.contents.kinds import FigurePart, TablePart
from pid_lvlm.analysis.report.contents.over_models import OVER_MODELS
from pid_lvlm.analysis.report.contents.reliability import RELIABILITY
from pid_lvlm.analysis.report.laid_out.display import paper_table, plain_table
from pid_lvlm.analysis.report.laid_out.reliability import receipts_table


def _not_in_paper(results: pl.DataFrame, _estimator: str) -> str:
    return paper.not_in_paper(results)


PARTS: Final[tuple[FigurePart | TablePart, ...]] = (
    *HEADLINE,
    *OVER_MODELS,
    *CURVES,
    *DIFFERENCES,
    *RELIABILITY,
    TablePart(
        "failed",
        "Failed fits",
        "These appear in no figure and in no other table.",
        tables.failed,
        plain_table,
        "None: every fit succeeded.",
        file_only=True,
    ),
    TablePart(
        "diagnostics",
        "Diagnostics beyond their limits",
        "Every row and diagnostic that the warnings at the top summarise.",
        tables.diagnostics,
        plain_table,
        "None: every diagnostic is within its limit.",
        file_only=True,
    ),
    TablePart(
        "receipts",
        "Receipts",
        "What was checked on the first items of every run before anything was measured.",
        tables.receipts,
        receipts_table,
        file_only=True,
        takes="runs",
        needed=True,
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
