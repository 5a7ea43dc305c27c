"""Medians of models and of their families over the datasets of a regime."""

import polars as pl

from pid_lvlm.analysis.frames.over_models.models import NEXT_TO_NOTHING, of_enough_models
from pid_lvlm.analysis.frames.over_models.regimes import NEITHER, UNDECIDED, regimes
from pid_lvlm.data.names import ATOMS

_VALUES = ("synergy", "unique_language", "lead")


def families_and_models(models: pl.DataFrame) -> pl.DataFrame:
    """One row per regime and model, then one per regime and family.

    A model's values are medians over the datasets of the regime, a family's are medians over its models. Datasets
    without a regime and fits without synergy are ignored.

    Args:
        models: one row per model and dataset, as in `AcrossModels.frame`.

    Returns:
        `kind` (`model` or `family`), `regime`, `family`, `model` and `size_b` (both empty for a family), `synergy` and
        `unique_language` in bits, clipped at 0, `lead` (share of S minus share of U2 in percentage points),
        `num_models`, `num_datasets`.
    """
    named = {
        each.dataset: each.name for each in regimes(of_enough_models(models)) if each.name not in (NEITHER, UNDECIDED)
    }
    regime = pl.col("dataset").cast(pl.String).replace_strict(named, default=None, return_dtype=pl.String)
    share = {atom: pl.col(f"{atom}_share").cast(pl.Float64) for atom in ("synergy", "unique_language")}
    counted = pl.sum_horizontal(*ATOMS) >= NEXT_TO_NOTHING
    rows = models.filter(pl.col("synergy").is_not_null()).with_columns(
        regime=regime,
        lead=pl.when(counted).then(100 * (share["synergy"] - share["unique_language"])),
        size_b=pl.col("size_b").cast(pl.Float64),
    )
    of_models = (
        rows.filter(pl.col("regime").is_not_null())
        .group_by("regime", "family", "model", "size_b", maintain_order=True)
        .agg(*(pl.col(name).median() for name in _VALUES), pl.col("dataset").n_unique().alias("num_datasets"))
        .with_columns(kind=pl.lit("model"), num_models=pl.lit(1, pl.UInt32))
    )
    of_families = (
        of_models.group_by("regime", "family", maintain_order=True)
        .agg(
            *(pl.col(name).median() for name in _VALUES),
            pl.col("num_datasets").max(),
            pl.col("model").n_unique().cast(pl.UInt32).alias("num_models"),
        )
        .with_columns(kind=pl.lit("family"))
    )
    return pl.concat([of_models, of_families], how="diagonal")
