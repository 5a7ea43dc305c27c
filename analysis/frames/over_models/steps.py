"""Steps from one size of a family to the next, and the changes."""

from typing import Final

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.over_models.models import of_enough_models, with_total, with_values
from pid_lvlm.analysis.frames.over_models.regimes import datasets_of, regimes

_OUTCOMES: Final = {"accuracy": "accuracy", "synergy": "synergy_share", "unique_language": "unique_language_share"}


def steps(models: pl.DataFrame, regime: str | None = None, accuracy: str = "accuracy") -> pl.DataFrame:
    """One row per family and pair of neighbouring sizes; changes are means over datasets, in percentage points.

    Args:
        models: one row per model and dataset, as in `AcrossModels.frame`.
        regime: the regime of the datasets; None for all datasets.
        accuracy: the column.

    Returns:
        The columns of `tables.scaling`.

    Raises:
        NothingToShowError: no family has two sizes, or no dataset has the regime.
    """
    chosen = models
    if regime is not None:
        names = datasets_of(regimes(of_enough_models(models)), regime)
        if not names:
            raise NothingToShowError(f"No dataset is {regime} for the models of this table.")
        chosen = models.filter(pl.col("dataset").cast(pl.String).is_in(names))
    found = _steps(with_total(with_values(chosen, [accuracy])), accuracy)
    if found.is_empty():
        raise NothingToShowError(
            "No family has two sizes with accuracy and shares on the same dataset; sizes are in the column `size_b`."
        )
    return found


def _steps(models: pl.DataFrame, accuracy: str) -> pl.DataFrame:
    outcomes = _OUTCOMES | {"accuracy": accuracy}
    sizes = (
        models.filter(pl.col("size_b").is_not_null())
        .group_by("family", "dataset", "size_b")
        .agg(pl.col("model").unique().sort().str.join(", "), *(pl.col(name).mean() for name in outcomes.values()))
        .sort("family", "dataset", "size_b")
    )
    place = ("family", "dataset")
    return (
        sizes.with_columns(
            pl.col("size_b").shift().over(place).alias("from_size"),
            pl.col("model").shift().over(place).alias("from_model"),
            *(
                (100 * (pl.col(column) - pl.col(column).shift().over(place))).alias(f"delta_{name}")
                for name, column in outcomes.items()
            ),
        )
        .filter(pl.col("from_size").is_not_null())
        .group_by(
            "family", "from_size", pl.col("size_b").alias("to_size"), "from_model", pl.col("model").alias("to_model")
        )
        .agg(*(pl.col(f"delta_{name}").mean() for name in outcomes), pl.len().alias("num_datasets"))
        .sort("family", "from_size", "to_size", "from_model", "to_model")
    )
