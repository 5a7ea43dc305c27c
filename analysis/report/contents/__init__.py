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
        "Every fit and diagnostic summarised by the warnings at the top.",
        tables.diagnostics,
        plain_table,
        "None: every diagnostic is within its limit.",
        file_only=True,
    ),
    TablePart(
        "receipts",
        "Receipts",
        "The checks that each run made on its first items before it measured anything.",
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
        "Comparison with the paper",
        f"The numbers printed in the paper next to those of this table. The paper: {paper.CITATION}. T1 to T5: its "
        "tables. TXT: its text. The paper uses BATCH with one seed; here each estimator has its own row. Correlations "
        "are over all models of this table that have the benchmark; p is two-sided and treats models as independent. "
        "Changes between sizes are in percentage points; the paper does not state the unit of its own. In brackets: "
        "the 95 % interval of the value here, over items for the exact estimator and over seeds for BATCH (column "
        "“interval” in the file); the paper gives none. Its noise and split are not public, so expect differences. "
        "The paper shows spectra and accuracies of single models only as figures, so they cannot be compared.",
        paper.comparison,
        paper_table,
        of_table=_not_in_paper,
    ),
}
"""Parts added to a report that is compared with published numbers, by the name of the publication."""
