"""How close the estimates are where the ground truth is known."""

from typing import Final

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.given import given
from pid_lvlm.analysis.frames.reshape import atoms_long, finals

DOMINANT_TOLERANCE: Final = 0.15
"""How far an atom may be off, in bits, where one atom carries nearly everything."""

BLEND_TOLERANCE: Final = 0.2
"""How far an atom may be off, in bits, in a mixture, where BATCH, an upper bound on I_q, is biased."""

DOMINANCE: Final = 0.75
"""A problem is a mixture if no true atom is above this share of the true total."""


def ground_truth(results: pl.DataFrame) -> pl.DataFrame:
    """True and estimated atoms at the final checkpoint and layer, one row per run and atom.

    Returns:
        `run`, `model`, `dataset`, `atom`; `ground_truth`, `estimated` (before the cut at 0), `difference`, `tolerance`
        in bits; `judged` (whether the atom decides: the largest one, or every atom of a mixture) and `within`.

    Raises:
        NothingToShowError: the true atoms of no successful fit are known.
    """
    final = finals(given(results))
    known = atoms_long(final).filter(pl.col("ground_truth").is_not_null())
    if known.is_empty():
        raise NothingToShowError("The true atoms of no successful fit are known.")
    largest = pl.col("ground_truth").max().over("problem_id")
    mixture = largest <= DOMINANCE * pl.col("ground_truth").sum().over("problem_id")
    difference = pl.col("raw") - pl.col("ground_truth")
    tolerance = pl.when(mixture).then(BLEND_TOLERANCE).otherwise(DOMINANT_TOLERANCE)
    place = final.select("problem_id", pl.int_range(pl.len()).alias("place"))
    return (
        known.join(place, on="problem_id")
        .sort("place", maintain_order=True)
        .select(
            "run",
            pl.col("series").alias("model"),
            "dataset",
            "atom",
            "ground_truth",
            pl.col("raw").alias("estimated"),
            difference.alias("difference"),
            tolerance.alias("tolerance"),
            (mixture | (pl.col("ground_truth") == largest)).alias("judged"),
            (difference.abs() <= tolerance).alias("within"),
        )
    )
