"""Correlates of accuracy over models: the paper's Table 2, and the accuracy drop without the picture."""

from collections.abc import Sequence

import polars as pl

from pid_lvlm.analysis.frames.given import given
from pid_lvlm.analysis.frames.over_models.correlates import QUANTITIES, Correlate, correlates
from pid_lvlm.analysis.frames.over_models.models import across_models
from pid_lvlm.data.contract.table.results import EXACT


def correlations(results: pl.DataFrame, estimator: str = EXACT, accuracy: str = "accuracy") -> pl.DataFrame:
    """Spearman's correlation of accuracy with S, U2, I(X1,X2;Y) and I(X1;X2;Y) over models, by dataset (Table 2).

    Models count once per dataset, as in `across_models`. S and U2 are clipped at 0, as published. The interval (95 %)
    is by Fisher's z with the variance of Bonett and Wright (2000); it and p treat models as independent, and no p is
    corrected for the number of tests.

    Args:
        results: the result table.
        estimator: which estimator to use if a problem has results from several.
        accuracy: the column; `accuracy_strict` counts the first greedy token, as the paper does.

    Returns:
        `dataset`, `column`, `quantity` (its symbol), `rho`, `p` (two-sided), `low`, `high`, `num_models`,
        `num_left_out` (one of the two values is unknown), `num_cut` (atom below 0 before clipping), `num_unanswered`
        (more than half of the rows without an option letter). `rho` is empty for fewer than four models or where a
        value is the same for all models.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no model has an accuracy.
    """
    return _frame(correlates(across_models(given(results), estimator).frame, accuracy, tuple(QUANTITIES)))


def image_removal(results: pl.DataFrame, estimator: str = EXACT) -> pl.DataFrame:
    """Spearman's correlation of the accuracy drop without the picture (`d_vision`) with S over models, by dataset.

    Args:
        results: the result table.
        estimator: which estimator to use if a problem has results from several.

    Returns:
        The columns of `correlations`.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no model has an accuracy without the picture.
    """
    return _frame(correlates(across_models(given(results), estimator).frame, "d_vision", ("synergy",)))


def _frame(found: Sequence[Correlate]) -> pl.DataFrame:
    schema = {"rho": pl.Float64, "p": pl.Float64, "low": pl.Float64, "high": pl.Float64}
    rows = [
        {
            "dataset": each.dataset,
            "column": each.column,
            "quantity": QUANTITIES[each.column],
            "rho": each.correlation.rho,
            "p": each.correlation.p,
            "low": each.correlation.low,
            "high": each.correlation.high,
            "num_models": each.correlation.count,
            "num_left_out": each.left_out,
            "num_cut": each.num_cut,
            "num_unanswered": each.num_unanswered,
        }
        for each in found
    ]
    return pl.DataFrame(rows, schema_overrides=schema)
