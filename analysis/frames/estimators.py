"""Which estimator is shown if a table has several for one problem."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from pid_lvlm.analysis.frames.given import having
from pid_lvlm.analysis.frames.probes import one_ablation
from pid_lvlm.data.contract.table.results import EXACT

PROBLEM: Final = ("run", "layer", "tau")
"""Columns that are equal if two estimators solved the same problem."""
SWEEP: Final = ("run", "tau")
"""The same for all layers of a run, which form one curve."""


def one_estimator(results: pl.DataFrame, estimator: str = EXACT, of: Sequence[str] = PROBLEM) -> pl.DataFrame:
    """The rows of one estimator per problem, under one ablation; no problem appears twice.

    This is `estimator` if the table has rows of it for the problem, even failed ones: another estimator's number must
    not replace them. Otherwise it is another estimator of the table.

    Args:
        results: rows of the result table.
        estimator: the one to prefer.
        of: the columns that tell problems apart. With `SWEEP` a whole run is one problem, and `estimator` is used if it
            has as many layers as the others.

    Raises:
        ResultTableError: the frame lacks `layer`, `estimator` or a column of `of`.

    Example:
        >>> table = pl.DataFrame({"run": ["a", "a", "b"], "layer": 4, "estimator": ["batch", "exact", "batch"]})
        >>> one_estimator(table, of=["run"]).rows()
        [('a', 4, 'exact'), ('b', 4, 'batch')]
    """
    results = one_ablation(having(results, (*of, "layer", "estimator")))
    wanted = pl.col("estimator") == estimator
    layers, others = (pl.col("layer").filter(rows).n_unique().over(of) for rows in (wanted, ~wanted))
    chosen = (layers > 0) & (layers >= others)
    return results.filter(wanted == chosen)
