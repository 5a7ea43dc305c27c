"""Rows under one ablation, used by every exhibit except those that compare ablations."""

from typing import Final

import polars as pl

from pid_lvlm.data.contract.table.results import PROBES
from pid_lvlm.data.names import NOISE

ABLATION: Final = "ablation"
"""The column."""


def ablations_in(results: pl.DataFrame) -> list[str]:
    """The ablations in a table, in the order of `PROBES`."""
    if ABLATION not in results.columns:
        return [NOISE]
    held = set(results[ABLATION].fill_null(NOISE).unique())
    return [name for name in PROBES if name in held]


def one_ablation(results: pl.DataFrame, ablation: str | None = None) -> pl.DataFrame:
    """The rows under one ablation: another ablation is another measurement, not another model or setting.

    Args:
        results: rows of the result table; a frame without the column `ablation` is returned unchanged.
        ablation: the ablation; by default noise, or the first one present if the table has no rows under noise.

    Example:
        >>> table = pl.DataFrame({"run": ["a", "a", "b"], "ablation": ["mean", "noise", "mean"]})
        >>> one_ablation(table).rows()
        [('a', 'noise')]
    """
    held = ablations_in(results)
    if ABLATION not in results.columns or (ablation is None and len(held) < 2):
        return results
    return results.filter(pl.col(ABLATION).fill_null(NOISE) == (ablation or held[0]))
