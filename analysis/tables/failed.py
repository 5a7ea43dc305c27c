"""The problems that have no answer."""

import polars as pl

from analysis.load import unsuccessful


def failed(results: pl.DataFrame) -> pl.DataFrame:
    """One row per problem whose `result` is not `successful`; empty where all succeeded."""
    return unsuccessful(results).select("run", "model", "dataset", "layer", "stage", "step", "result", "problem_id")
