"""What to know before a number is believed: fits that failed, and fits whose diagnostics are beyond a limit."""

import polars as pl

from pid_lvlm.analysis.frames.load import successful, unsuccessful
from pid_lvlm.data.contract.limits import LIMITS
from pid_lvlm.data.contract.result_table import exceeds, value_of


def diagnostics(results: pl.DataFrame) -> pl.DataFrame:
    """One row per successful problem and exceeded limit, those at the output layer first; empty where all is well.

    Returns:
        `run`, `model`, `dataset`, `layer`, `num_layers`, `stage`, `step`, then `diagnostic`, `value`, `limit`,
        `meaning`.
    """
    answered = successful(results)
    return pl.concat(
        answered.filter(exceeds(limit)).select(
            "run",
            "model",
            "dataset",
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
    """One row per problem whose `result` is not `successful`; empty where all succeeded."""
    return unsuccessful(results).select("run", "model", "dataset", "layer", "stage", "step", "result", "problem_id")
