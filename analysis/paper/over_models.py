"""Statistics over the models of a table, in the columns that the comparison joins."""

from typing import Final

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.reshape import final_checkpoint, final_layer, reported, with_series
from pid_lvlm.data.names import POOLINGS

LEAST: Final = 4
"""The smallest number of models whose correlation is given."""

USUAL_TAU: Final = 0.3

_SHARES: Final = {"synergy": "synergy_share", "unique_language": "unique_language_share"}


def correlations(results: pl.DataFrame, estimator: str) -> pl.DataFrame:
    """Spearman's correlation of accuracy with S, U2, I(X1,X2;Y) and I(X1;X2;Y) over models, by dataset.

    Args:
        results: rows of the result table.
        estimator: whose rows to take.

    Returns:
        `dataset`, `column`, `rho`, `p` (two-sided), `num_models`; `rho` is empty for fewer than `LEAST` models.
    """
    return _correlations(results, estimator, "accuracy", ("synergy", "unique_language", "i_joint", "coinformation"))


def image_removal(results: pl.DataFrame, estimator: str) -> pl.DataFrame:
    """The same of `d_vision`, the accuracy drop without the image, with S."""
    return _correlations(results, estimator, "d_vision", ("synergy",))


def scaling(results: pl.DataFrame, estimator: str) -> pl.DataFrame:
    """Changes from each size of a family to the next that was measured, means over datasets.

    Args:
        results: rows of the result table.
        estimator: whose rows to take.

    Returns:
        `family`, `from_size`, `to_size`, `delta_accuracy`, `delta_synergy`, `delta_unique_language` (of the shares) in
        percentage points, `num_datasets`.

    Raises:
        NothingToShowError: no family has two sizes on one dataset.
    """
    place = ("family", "dataset")
    outcomes = {"accuracy": "accuracy", **_SHARES}
    models = models_once(results, estimator).drop_nulls([*outcomes.values(), "size_b"]).sort(*place, "size_b")
    steps = models.with_columns(
        pl.col("size_b").shift().over(place).alias("from_size"),
        *(
            (100 * (pl.col(column) - pl.col(column).shift().over(place))).alias(f"delta_{name}")
            for name, column in outcomes.items()
        ),
    ).drop_nulls("from_size")
    if steps.is_empty():
        raise NothingToShowError("No family has two sizes with accuracy and shares on the same dataset.")
    return (
        steps.group_by("family", "from_size", pl.col("size_b").alias("to_size"))
        .agg(*(pl.col(f"delta_{name}").mean() for name in outcomes), pl.len().alias("num_datasets"))
        .sort("family", "from_size")
    )


def models_once(results: pl.DataFrame, estimator: str) -> pl.DataFrame:
    """Each model once per dataset: output layer, final checkpoint, the setting nearest to the paper's, one run."""
    rows = results.filter(pl.col("estimator") == estimator)
    final = final_layer(final_checkpoint(with_series(rows).with_columns(series=pl.col("model"))))
    usual = (pl.col("tau") - USUAL_TAU).abs(), pl.col("pooling").fill_null(POOLINGS[0]) != POOLINGS[0]
    once = reported(final).sort(*usual, "run", maintain_order=True)
    return once.unique(["model", "dataset"], keep="first", maintain_order=True)


def _correlations(results: pl.DataFrame, estimator: str, outcome: str, columns: tuple[str, ...]) -> pl.DataFrame:
    schema = {
        "dataset": pl.String,
        "column": pl.String,
        "rho": pl.Float64,
        "p": pl.Float64,
        "num_models": pl.Int64,
    }
    models = models_once(results, estimator)
    rows = [
        (dataset, column, *_spearman(group.select(outcome, column).drop_nulls()))
        for (dataset,), group in models.group_by("dataset", maintain_order=True)
        for column in columns
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _spearman(pairs: pl.DataFrame) -> tuple[float | None, float | None, int]:
    from scipy import stats

    if pairs.height < LEAST or any(pairs[name].n_unique() == 1 for name in pairs.columns):
        return None, None, pairs.height
    found = stats.spearmanr(*(pairs[name].to_numpy() for name in pairs.columns))
    return float(found.statistic), float(found.pvalue), pairs.height
