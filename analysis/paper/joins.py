"""Printed and measured numbers in one frame, exhibit by exhibit: each function joins a table of `published`."""

from typing import Final

import polars as pl

from pid_lvlm.analysis.frames.given import having
from pid_lvlm.analysis.frames.reshape import final_layer
from pid_lvlm.analysis.paper import published
from pid_lvlm.analysis.statistics import LEAST
from pid_lvlm.data.contract.table.results import BATCH, JOINT_KNOWS_LESS, SUCCESSFUL, USABLE
from pid_lvlm.data.names import ATOMS, POOLINGS

_SYMBOLS: Final = {"accuracy": "accuracy", "d_vision": "accuracy drop without the image"}
_CHANGES: Final = {
    "delta_accuracy": "change of accuracy",
    "delta_synergy": "change of the share of S",
    "delta_unique_language": "change of the share of U2",
}
_ATOM_SYMBOLS: Final = {"synergy": "S", "unique_language": "U2"}
SCALING_DATASETS: Final = ("MMBench", "POPE")
"""The datasets of Table 3."""

_BATCH_ROWS: Final = 256
"""Published batch size: an incomplete batch is left out of the test part."""


def compare_correlations(measured: pl.DataFrame, outcome: str) -> pl.DataFrame:
    """Printed correlations of `outcome` next to measured ones, joined by dataset and column.

    Args:
        measured: `dataset` (the paper's name), `column`, `rho`, `p`, `num_models`.
        outcome: `accuracy` or `d_vision`.

    Raises:
        ResultTableError: `measured` lacks a column.
    """
    measured = having(measured, ("dataset", "column", "rho", "p", "num_models"), "measured")
    printed = published.correlations().filter(pl.col("outcome") == outcome)
    joined = printed.join(measured, on=["dataset", "column"], suffix="_here", maintain_order="left")
    counts = pl.format("{} models here, {} there", "num_models_here", "num_models")
    too_few = pl.format(f"not enough data: {{}} models, at least {LEAST} are needed", "num_models_here")
    constant = pl.format("not enough data: a value is the same for all {} models", "num_models_here")
    return joined.select(
        "exhibit",
        "dataset",
        pl.lit("all models").alias("of"),
        pl.format(f"ρ of {_SYMBOLS[outcome]} and {{}}", "quantity").alias("quantity"),
        pl.lit("1").alias("unit"),
        pl.col("rho").alias("published"),
        pl.col("p").alias("published_p"),
        "p_below",
        pl.col("rho_here").alias("here"),
        pl.col("p_here").alias("here_p"),
        pl.col("num_models_here").cast(pl.Int64).alias("num_models"),
        pl.when(pl.col("rho_here").is_not_null())
        .then(counts)
        .when(pl.col("num_models_here") < LEAST)
        .then(too_few)
        .otherwise(constant)
        .alias("note"),
    )


def compare_scaling(measured: pl.DataFrame) -> pl.DataFrame:
    """Printed changes between sizes next to measured ones, joined by family and sizes.

    Args:
        measured: `family` (the paper's name), `from_size`, `to_size`, the three changes, `num_datasets`.

    Raises:
        ResultTableError: `measured` lacks a column.
    """
    place = ["family", "from_size", "to_size"]
    measured = having(measured, (*place, *_CHANGES, "num_datasets"), "measured")
    joined = published.scaling().join(measured, on=place, suffix="_here", maintain_order="left")
    size = pl.col("from_size", "to_size").cast(pl.String).str.strip_suffix(".0")
    few = pl.col("num_datasets") < len(SCALING_DATASETS)
    return pl.concat(
        joined.select(
            "exhibit",
            pl.lit(" and ".join(SCALING_DATASETS)).alias("dataset"),
            pl.concat_str(pl.col("family"), pl.concat_str(size, separator=" to "), separator=", ").alias("of")
            + pl.lit(" B"),
            pl.lit(words).alias("quantity"),
            pl.lit("%").alias("unit"),
            pl.col(name).alias("published"),
            pl.col(f"{name}_here").alias("here"),
            pl.when(few)
            .then(pl.format("here on {} of {} benchmarks", "num_datasets", pl.lit(len(SCALING_DATASETS))))
            .alias("note"),
        )
        for name, words in _CHANGES.items()
    ).sort("of", maintain_order=True)


def compare_ablations(known: pl.DataFrame) -> pl.DataFrame:
    """Printed S and U2 of single models next to those of the same model, dataset, τ and pooling.

    Args:
        known: rows of the result table with `paper_model` and `paper_dataset`.
    """
    rows = final_layer(known.sort("estimator", "run", maintain_order=True)).with_columns(
        pl.col("pooling").fill_null(POOLINGS[0]).alias("_pooling"), pl.col("tau").round(9).alias("_tau")
    )
    printed = published.ablations().with_columns(pl.col("tau").round(9))
    joined = printed.join(
        rows,
        left_on=["model", "dataset", "pooling", "tau"],
        right_on=["paper_model", "paper_dataset", "_pooling", "_tau"],
        suffix="_here",
        maintain_order="left_right",
    )
    holds = pl.col("result").is_in(USABLE) & ~((pl.col("result") == JOINT_KNOWS_LESS) & (pl.col("column") == "synergy"))
    return joined.select(
        "exhibit",
        "dataset",
        pl.col("model").alias("of"),
        pl.col("column").replace_strict(_ATOM_SYMBOLS, return_dtype=pl.String).alias("quantity"),
        pl.format("{} pooling, τ {}", "pooling", "tau").alias("setting"),
        "estimator",
        "run",
        pl.lit("bits").alias("unit"),
        pl.col("value").alias("published"),
        *(
            pl.when(holds).then(_of_column(end)).alias(name)
            for name, end in (("here", ""), ("low", "_low"), ("high", "_high"))
        ),
        pl.when(holds).then("interval").alias("interval"),
        pl.when(pl.col("result") != SUCCESSFUL).then(pl.col("result")).alias("note"),
    )


def compare_items(known: pl.DataFrame) -> pl.DataFrame:
    """Number of items of each benchmark in the paper and here (the largest run).

    Args:
        known: rows of the result table with `paper_dataset`.
    """
    rows = final_layer(known).with_columns((pl.col("num_train") + pl.col("num_test")).alias("items"))
    largest = rows.sort("items", descending=True, maintain_order=True).unique("paper_dataset", keep="first")
    printed = published.datasets().select("exhibit", "dataset", (pl.col("train") + pl.col("test")).alias("published"))
    joined = printed.join(largest, left_on="dataset", right_on="paper_dataset", suffix="_here", maintain_order="left")
    short = pl.col("published") - pl.col("items")
    batch = (pl.col("estimator") == BATCH) & short.is_between(1, _BATCH_ROWS - 1)
    return joined.select(
        "exhibit",
        "dataset",
        pl.lit("items").alias("quantity"),
        "estimator",
        pl.lit("items").alias("unit"),
        "published",
        pl.col("items").alias("here"),
        pl.when(batch)
        .then(pl.lit("an incomplete test batch may be left out"))
        .when(short > 0)
        .then(pl.lit("not the whole benchmark"))
        .when(short < 0)
        .then(pl.lit("more items than in the paper"))
        .alias("note"),
    )


def _of_column(end: str) -> pl.Expr:
    """The value of the atom named by the column `column`."""
    return pl.coalesce(pl.when(pl.col("column") == atom).then(pl.col(f"{atom}{end}")) for atom in ATOMS)
