"""How close the estimates are where the ground truth is known."""

from typing import Final

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.given import given
from pid_lvlm.analysis.frames.reshape import atoms_long, finals_of_each_estimator
from pid_lvlm.data.contract.table.results import EXACT

DOMINANT_TOLERANCE: Final = 0.15
"""Tolerance per atom in bits, if one atom carries nearly everything."""

BLEND_TOLERANCE: Final = 0.2
"""Tolerance per atom in bits for a mixture, where BATCH is biased because it is an upper bound on I_q."""

EXACT_BLEND_TOLERANCE: Final = 0.1
"""The same for the exact estimator, whose remaining errors are the sample and what the model did not learn."""

DOMINANCE: Final = 0.75
"""A problem is a mixture if no true atom is above this share of the true total."""


def ground_truth(results: pl.DataFrame) -> pl.DataFrame:
    """True and estimated atoms at the final checkpoint and layer, one row per run, estimator and atom.

    An atom is within tolerance if it differs by at most `tolerance`, or if the ground truth is inside the interval over
    items. An atom that is not reported is not within tolerance.

    Returns:
        `run`, `model`, `dataset`, `estimator`, `atom`; `ground_truth`, `estimated` (before clipping at 0),
        `difference`, `tolerance`, the interval over items `low` and `high` (empty for an interval over seeds) and
        BATCH's `excess` in bits; `judged` (whether the atom decides: the largest one, or every atom of a mixture) and
        `within`.

    Raises:
        NothingToShowError: the true atoms of no successful fit are known.
    """
    final = finals_of_each_estimator(given(results))
    known = atoms_long(final).filter(pl.col("ground_truth").is_not_null())
    if known.is_empty():
        raise NothingToShowError("No successful fit has a known ground truth.")
    largest = pl.col("ground_truth").max().over("problem_id")
    mixture = largest <= DOMINANCE * pl.col("ground_truth").sum().over("problem_id")
    of_mixtures = pl.when(pl.col("estimator") == EXACT).then(EXACT_BLEND_TOLERANCE).otherwise(BLEND_TOLERANCE)
    place = final.select("problem_id", pl.int_range(pl.len()).alias("place"))
    over_items = pl.col("interval").str.starts_with("items")
    return (
        known.join(place, on="problem_id")
        .sort("place", maintain_order=True)
        .select(
            "run",
            pl.col("series").alias("model"),
            "dataset",
            "estimator",
            "atom",
            "ground_truth",
            pl.col("raw").alias("estimated"),
            (pl.col("raw") - pl.col("ground_truth")).alias("difference"),
            pl.when(mixture).then(of_mixtures).otherwise(DOMINANT_TOLERANCE).alias("tolerance"),
            *(pl.when(over_items).then(pl.col(end)).alias(end) for end in ("low", "high")),
            "excess",
            (mixture | (pl.col("ground_truth") == largest)).alias("judged"),
        )
        .with_columns(_within().alias("within"))
    )


def _within() -> pl.Expr:
    near = pl.col("difference").abs() <= pl.col("tolerance")
    inside = pl.col("ground_truth").is_between("low", "high")
    return near.fill_null(value=False) | inside.fill_null(value=False)
