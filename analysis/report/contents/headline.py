"""What every report begins with: the headline numbers, the spectrum, and how certain they are."""

from functools import partial
from typing import Final

import polars as pl

from pid_lvlm.analysis import figures, tables
from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.report.contents.kinds import HOLLOW, FigurePart, TablePart
from pid_lvlm.analysis.report.laid_out.display import (
    batch_and_exact_table,
    ground_truth_table,
    summary_table,
)
from pid_lvlm.analysis.report.words.captions import interval_caption, summary_caption
from pid_lvlm.data.names import ATOMS


def _batch_beside_exact(results: pl.DataFrame) -> pl.DataFrame:
    found = tables.batch_and_exact(results)
    if all(found[f"{atom}_batch"].is_null().all() for atom in ATOMS):
        raise NothingToShowError("No problem was solved by both estimators.")
    return found


HEADLINE: Final[tuple[FigurePart | TablePart, ...]] = (
    TablePart(
        "summary",
        "Summary",
        "",
        tables.summary,
        summary_table,
        of_table=summary_caption,
        of_one=True,
    ),
    FigurePart(
        "spectrum",
        "Information spectrum",
        "The four atoms in bits at the output layer of each model's final checkpoint, one panel per dataset. "
        "On the right of each: the accuracy, in % of the items. Black tick: ground truth, where it is known and not 0. "
        f"{HOLLOW}",
        figures.spectrum,
        partial(interval_caption, mark="Thin line", centre="Dot"),
    ),
    TablePart(
        "ground_truth",
        "Ground truth against estimates",
        "Where the true atoms are known: ground truth → estimate (before clipping at 0), in bits; in brackets the "
        "interval over items, if there is one. The verdict is about the atoms in bold: the largest true one, or all "
        "four for a mixture. An atom is within tolerance if that interval contains its ground truth.",
        tables.ground_truth,
        ground_truth_table,
    ),
    TablePart(
        "batch_and_exact",
        "BATCH against the certified optimum",
        "Final checkpoint, output layer, in bits. Each atom: BATCH's estimate, and in brackets the certified interval, "
        "which contains the optimum for these items (rounded outwards; it says nothing about other items). Excess: "
        "BATCH's I_q minus the optimum for its own test batches; it lowers redundancy and synergy and raises both "
        "unique atoms by the same amount. Gap: width of the certified interval on I_q. Marginals: largest range of an "
        "atom over the ways to bring the sources to one P(Y). The last columns are the redundancy under two other "
        "definitions: min(I1, I2) (MMI), and I_min of Williams and Beer.",
        _batch_beside_exact,
        batch_and_exact_table,
    ),
)
"""The first figures and tables of the page."""
