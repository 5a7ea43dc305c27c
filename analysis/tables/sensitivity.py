"""The atoms under every ablation, the ranks of models, and the conclusions that change."""

from dataclasses import asdict

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.given import given
from pid_lvlm.analysis.frames.sensitivity import compared_values, conclusions, rank_correlations
from pid_lvlm.analysis.statistics import LEAST
from pid_lvlm.data.names import ATOMS


def sensitivity(results: pl.DataFrame) -> pl.DataFrame:
    """The atoms of every model and dataset that was measured under several ablations, one row per ablation.

    Args:
        results: the result table.

    Returns:
        `model`, `dataset`, `ablation`, `pairs` (questions per picture of crossed pairs); for each atom in bits its
        value (corrected if available, else before clipping at 0), `{atom}_low`, `{atom}_high` and `{atom}_rank` among
        the models of the dataset under this ablation, 1 for the largest; `num_test` rows.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no model was measured under two ablations.
    """
    values = compared_values(given(results, every_ablation=True))
    ranks = (
        pl.col(atom).rank("min", descending=True).over("dataset", "ablation").cast(pl.Int64).alias(f"{atom}_rank")
        for atom in ATOMS
    )
    of_atoms = [f"{atom}{end}" for atom in ATOMS for end in ("", "_low", "_high", "_rank")]
    return (
        values.with_columns(*ranks)
        .with_row_index("_place")
        .sort(pl.col("_place").min().over("series", "dataset"), maintain_order=True)
        .select(pl.col("series").alias("model"), "dataset", "ablation", "pairs", *of_atoms, "num_test")
    )


def sensitivity_conclusions(results: pl.DataFrame) -> pl.DataFrame:
    """Conclusions under the first ablation and under each other one; those that change come first.

    Args:
        results: the result table.

    Returns:
        `dataset`, `model` (empty for a conclusion over models), `conclusion`, `reference`, `ablation`, `by_reference`,
        `by_ablation` and `verdict`: `changes`, `undecided` (intervals overlap under one of the two) or `holds`.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no model was measured under two ablations.
    """
    return pl.DataFrame([asdict(one) for one in conclusions(compared_values(given(results, every_ablation=True)))])


def sensitivity_ranks(results: pl.DataFrame) -> pl.DataFrame:
    """Whether models come in the same order under two ablations: Spearman's correlation of each atom over models.

    Args:
        results: the result table.

    Returns:
        `dataset`, `atom`, `ablation`, `other`, `rho` (empty where all models have one value), `p`, `num_models`.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no dataset has enough models under two ablations.
    """
    rows = rank_correlations(compared_values(given(results, every_ablation=True)))
    if not rows:
        raise NothingToShowError(f"No dataset has {LEAST} models that were measured under the same two ablations.")
    return pl.DataFrame(rows, infer_schema_length=None)
