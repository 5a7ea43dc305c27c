"""Reasons not to trust a number: fits that failed, and fits whose diagnostics are beyond a limit."""

from dataclasses import dataclass
from typing import Final

import polars as pl

from pid_lvlm.analysis.frames.checkpoints import in_training_order
from pid_lvlm.analysis.frames.load import failed_fits, successful
from pid_lvlm.data.names import ATOMS, REQUIRED_CONDITIONS


@dataclass(frozen=True)
class Limit:
    """A diagnostic, the value beyond which it matters, and what that means for the reader."""

    diagnostic: str
    limit: float
    meaning: str
    below: bool = False

    def exceeded(self) -> pl.Expr:
        """Whether a row is beyond the limit."""
        value = pl.col(self.diagnostic)
        return value < self.limit if self.below else value > self.limit


LIMITS: Final = (
    *(
        Limit(
            f"uniform_{condition}",
            0.2,
            f"under {condition} more than 20 % of the rows fell back to uniform probabilities: the model often did not "
            "answer with an option letter",
        )
        for condition in REQUIRED_CONDITIONS
    ),
    Limit(
        "marginal_mismatch",
        0.05,
        "the answer marginals P(Y) of the conditions differ by more than 0.05: no coupling meets both, and the atoms "
        "are only approximately defined",
    ),
    Limit("sinkhorn_error", 0.01, "the couplings miss their marginals by more than 1 %: Sinkhorn did not converge"),
    *(
        Limit(f"{atom}_raw", -0.05, f"raw {atom.replace('_', ' ')} is below -0.05 bits: estimation error", below=True)
        for atom in ATOMS
    ),
)


def diagnostics(results: pl.DataFrame) -> pl.DataFrame:
    """One row per successful fit and diagnostic beyond its limit, those at the output layer first; empty if none is.

    Returns:
        `run`, `model`, `dataset`, `layer`, `num_layers`, `stage`, `step`, then `diagnostic`, `value`, `limit`,
        `meaning`.
    """
    answered = in_training_order(successful(results))
    return pl.concat(
        answered.filter(limit.exceeded()).select(
            "run",
            "model",
            "dataset",
            "layer",
            "num_layers",
            "stage",
            "step",
            pl.lit(limit.diagnostic).alias("diagnostic"),
            pl.col(limit.diagnostic).alias("value"),
            pl.lit(limit.limit).alias("limit"),
            pl.lit(limit.meaning).alias("meaning"),
        )
        for limit in LIMITS
    ).sort(pl.col("layer") < pl.col("num_layers"), maintain_order=True)


def failed(results: pl.DataFrame) -> pl.DataFrame:
    """One row per failed fit (`result` is not `successful`); empty if all succeeded."""
    return in_training_order(failed_fits(results)).select(
        "run", "model", "dataset", "layer", "stage", "step", "result", "problem_id"
    )
