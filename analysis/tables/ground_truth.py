"""True against estimated: how close the estimates come where the truth is known."""

from typing import Final

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.reshape import atoms_long, finals

DOMINANT_TOLERANCE: Final = 0.15
"""Bits that an atom may be off where one atom carries nearly everything."""

BLEND_TOLERANCE: Final = 0.2
"""Bits that an atom may be off in a mixture: BATCH, an upper bound on the coupling's information, is biased there."""

DOMINANCE: Final = 0.75
"""A problem is a mixture where no true atom is above this share of the true total."""


def ground_truth(results: pl.DataFrame) -> pl.DataFrame:
    """True and estimated atoms at the final checkpoint and layer, one row per run and atom.

    Returns:
        `run`, `model`, `dataset`, `atom`; `ground_truth`, `estimated` (before the cut at 0), `difference`, `tolerance`
        in bits; `judged` (whether the atom decides: the largest one, or every atom of a mixture) and `within`.

    Raises:
        NothingToShowError: no successful problem has true atoms.
    """
    final = finals(results)
    known = atoms_long(final).filter(pl.col("ground_truth").is_not_null())
    if known.is_empty():
        raise NothingToShowError("The true atoms of no successful problem are known.")
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
