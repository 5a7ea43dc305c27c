"""Which estimator's numbers are shown where a table has several for one problem."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from pid_lvlm.analysis.frames.given import having
from pid_lvlm.analysis.frames.probes import one_ablation
from pid_lvlm.data.contract.table.results import EXACT

PROBLEM: Final = ("run", "layer", "tau")
"""What two estimators have in common where they solved the same problem."""
SWEEP: Final = ("run", "tau")
"""The same for all layers of a run, which make one curve."""


def one_estimator(results: pl.DataFrame, estimator: str = EXACT, of: Sequence[str] = PROBLEM) -> pl.DataFrame:
    """The rows of one estimator for each problem, under one ablation; no problem appears twice.

    It is `estimator` where the table has its rows for the problem, also where they failed: another estimator's number
    must not take their place. It is what else there is where the table has none.

    Args:
        results: rows of the result table.
        estimator: the one to prefer.
        of: the columns that tell problems apart. With `SWEEP` a whole run is one, and `estimator` is shown if it has as
            many layers as the others have.

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
