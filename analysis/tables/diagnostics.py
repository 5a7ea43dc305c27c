"""Reasons not to trust a number: fits that failed, and fits whose diagnostics are beyond a limit."""

import polars as pl

from pid_lvlm.analysis.frames.checkpoints import in_training_order
from pid_lvlm.analysis.frames.given import given
from pid_lvlm.analysis.frames.load import failed_fits, successful
from pid_lvlm.data.contract.limits import LIMITS
from pid_lvlm.data.contract.result_table import exceeds, value_of


def diagnostics(results: pl.DataFrame) -> pl.DataFrame:
    """One row per usable fit and diagnostic beyond its limit, those at the output layer first; empty if none is.

    Returns:
        `run`, `model`, `dataset`, `estimator`, `layer`, `num_layers`, `stage`, `step`, then `diagnostic`, `value`,
        `limit`, `meaning`.
    """
    answered = in_training_order(successful(given(results)))
    return pl.concat(
        answered.filter(exceeds(limit)).select(
            "run",
            "model",
            "dataset",
            "estimator",
            "layer",
            "num_layers",
            "stage",
            "step",
            pl.lit(limit.diagnostic).alias("diagnostic"),
            value_of(limit).alias("value"),
            pl.lit(limit.limit).alias("limit"),
            pl.lit(limit.meaning).alias("meaning"),
        )
        for limit in LIMITS
    ).sort(pl.col("layer") < pl.col("num_layers"), maintain_order=True)


def failed(results: pl.DataFrame) -> pl.DataFrame:
    """One row per failed fit, with its `result`; empty if all succeeded."""
    return in_training_order(failed_fits(given(results))).select(
        "run", "model", "dataset", "estimator", "layer", "stage", "step", "result", "problem_id"
    )
