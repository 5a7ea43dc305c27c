"""From one size of a family to the next: accuracy and shares of atoms (the paper's Table 3)."""

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.given import given
from pid_lvlm.analysis.frames.models import across_models, with_total, with_values
from pid_lvlm.analysis.frames.regimes import SYNERGY_DRIVEN, datasets_of, regimes
from pid_lvlm.data.contract.results import EXACT

_OUTCOMES = {"accuracy": "accuracy", "synergy": "synergy_share", "unique_language": "unique_language_share"}


def scaling(
    results: pl.DataFrame, estimator: str = EXACT, regime: str | None = SYNERGY_DRIVEN, accuracy: str = "accuracy"
) -> pl.DataFrame:
    """Changes of accuracy and of the shares of S and U2 from a size of a family to the next one (Table 3).

    Models count once per dataset, as in `across_models`. A step is between neighbouring sizes that were measured on the
    same dataset; its changes are means over the datasets. Models of one family and size are averaged. Differences of
    two models with nothing that says how uncertain they are: `num_datasets` is not a number of repetitions.

    Args:
        results: the result table.
        estimator: whose numbers to take where a problem has several.
        regime: the regime of the datasets; None for all datasets.
        accuracy: the column; `accuracy_strict` counts the first greedy token, as the paper does.

    Returns:
        `family`, `from_size`, `to_size` (1e9 parameters), `from_model`, `to_model`, `delta_accuracy`, `delta_synergy`,
        `delta_unique_language` (of the shares) in percentage points, `num_datasets`.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no family has two sizes, or no dataset has the regime.
    """
    models = across_models(given(results), estimator).frame
    chosen = models
    if regime is not None:
        names = datasets_of(regimes(models), regime)
        if not names:
            raise NothingToShowError(f"No dataset is {regime}, as far as the models of this table tell.")
        chosen = models.filter(pl.col("dataset").is_in(names))
    steps = _steps(with_total(with_values(chosen, [accuracy])), accuracy)
    if steps.is_empty():
        raise NothingToShowError(
            "No family has two sizes with accuracy and shares on the same dataset; sizes are in the column `size_b`."
        )
    return steps


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
