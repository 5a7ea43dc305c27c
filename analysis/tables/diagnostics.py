"""Reasons not to trust a number: fits that failed, and fits whose diagnostics are beyond a limit."""

import polars as pl

from pid_lvlm.analysis.frames.checkpoints import in_training_order
from pid_lvlm.analysis.frames.given import given
from pid_lvlm.analysis.frames.load import failed_fits, successful
from pid_lvlm.data.contract.table.limits import LIMITS, RESULT_WARNINGS, Limit
from pid_lvlm.data.contract.table.result_table import exceeds, places, value_of, worth_a_warning

_ISSUES = {
    "num_fits": pl.Int64,
    "what": pl.String,
    "worst": pl.Float64,
    "limit": pl.Float64,
    "where": pl.String,
    "advice": pl.String,
}


def diagnostics(results: pl.DataFrame) -> pl.DataFrame:
    """One row per usable fit and diagnostic beyond its limit, output layers first; empty if there are none.

    Returns:
        `run`, `model`, `dataset`, `estimator`, `layer`, `num_layers`, `stage`, `step`, then `diagnostic`, `value`,
        `limit`, `meaning`.
    """
    answered = in_training_order(successful(given(results, every_ablation=True)))
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
    return in_training_order(failed_fits(given(results, every_ablation=True))).select(
        "run", "model", "dataset", "estimator", "layer", "stage", "step", "result", "problem_id"
    )


def issues(results: pl.DataFrame) -> pl.DataFrame:
    """One row per reason to be careful, with the number of fits concerned; empty if there are none.

    Failed fits come first, by `result`, then results that need care, then each diagnostic with values beyond its limit
    at layers where that matters (`diagnostics` lists them fit by fit, for all layers).

    Returns:
        `num_fits`; `what` is wrong; the `worst` value and the `limit` of a diagnostic; `where`: the first runs and
        layers; `advice`.
    """
    failures, answered = failed_fits(given(results, every_ablation=True)), successful(results)
    rows: list[tuple[object, ...]] = [
        (fits.height, f"failed: {name}", None, None, places(fits), "left out of every figure and table")
        for (name,), fits in sorted(failures.partition_by("result", as_dict=True).items())
    ]
    for warning in RESULT_WARNINGS:
        fits = answered.filter(pl.col("result") == warning.result)
        rows.append((fits.height, warning.meaning, None, None, places(fits), warning.advice))
    for limit in LIMITS:
        fits = answered.filter(worth_a_warning(limit))
        rows.append((fits.height, limit.meaning, _worst(fits, limit), limit.limit, places(fits), limit.advice))
    return pl.DataFrame([row for row in rows if row[0]], schema=_ISSUES, orient="row")


def _worst(fits: pl.DataFrame, limit: Limit) -> float | None:
    values = fits.select(value_of(limit)).to_series()
    worst = values.min() if limit.below else values.max()
    return worst if isinstance(worst, float) else None


def num_doubtful(results: pl.DataFrame) -> int:
    """Number of fits that have numbers but are in `issues`."""
    reasons = [pl.col("result").is_in([warning.result for warning in RESULT_WARNINGS]), *map(worth_a_warning, LIMITS)]
    return successful(results).filter(pl.any_horizontal(reasons)).height
