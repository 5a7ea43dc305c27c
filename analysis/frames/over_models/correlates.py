"""Rank correlations over models, by dataset, shared by figures, tables and findings."""

from dataclasses import dataclass
from typing import Final

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.over_models.models import UNANSWERED, with_values
from pid_lvlm.analysis.statistics import Correlation, spearman
from pid_lvlm.data.names import ATOMS

QUANTITIES: Final = {
    "synergy": "S",
    "unique_language": "U2",
    "i_joint": "I(X1,X2;Y)",
    "coinformation": "I(X1;X2;Y)",
}
"""Columns of the paper's Table 2 (correlations with accuracy), and their symbols."""


@dataclass(frozen=True)
class Correlate:
    """Spearman's correlation of two columns over the models of one dataset.

    Attributes:
        dataset: its name.
        column: one column; the other is the accuracy or the accuracy drop.
        correlation: coefficient, p and interval.
        left_out: models of the dataset that lack one of the two values.
        num_cut: models whose value is an atom that was negative before clipping at 0.
        num_unanswered: models that did not answer with an option letter in more than half of the rows.
    """

    dataset: str
    column: str
    correlation: Correlation
    left_out: int
    num_cut: int
    num_unanswered: int


def correlates(models: pl.DataFrame, outcome: str, columns: tuple[str, ...]) -> list[Correlate]:
    """The correlation of `outcome` with each of the columns, by dataset.

    Args:
        models: one row per model and dataset, as in `AcrossModels.frame`.
        outcome: a column of it.
        columns: other columns; atoms are clipped at 0, as published.

    Raises:
        NothingToShowError: no model has a value in `outcome`, or in any of the columns.
    """
    known = with_values(models, [outcome])
    if all(known[column].is_null().all() for column in columns):
        with_values(known, columns)
    return [
        _correlate(group, outcome, column)
        for group in models.sort("dataset", maintain_order=True).partition_by("dataset", maintain_order=True)
        for column in columns
    ]


def _correlate(group: pl.DataFrame, outcome: str, column: str) -> Correlate:
    try:
        found = with_values(group, [outcome, column])
    except NothingToShowError:
        found = group.clear()
    below_0 = (found[f"{column}_raw"] < 0).sum() if column in ATOMS else 0
    return Correlate(
        group.item(0, "dataset"),
        column,
        spearman(found[outcome].to_list(), found[column].to_list()),
        left_out=group.height - found.height,
        num_cut=int(below_0),
        num_unanswered=int((found["uniform_both"] > UNANSWERED).sum()),
    )
