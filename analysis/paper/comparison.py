"""The paper's numbers next to those of a result table: one row per number, where dataset and model match."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import polars as pl

from pid_lvlm.analysis import tables
from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.given import given
from pid_lvlm.analysis.frames.load import successful
from pid_lvlm.analysis.paper import published
from pid_lvlm.analysis.paper.joins import (
    SCALING_DATASETS,
    compare_ablations,
    compare_correlations,
    compare_items,
    compare_scaling,
)
from pid_lvlm.analysis.paper.match import in_paper
from pid_lvlm.data.command.shown import cut
from pid_lvlm.data.contract.table.results import BATCH

Measure = Callable[[pl.DataFrame, str], pl.DataFrame]
"""Computes statistics over models from a result table and an estimator."""

SCHEMA: Final[dict[str, pl.DataType]] = {
    **dict.fromkeys(("exhibit", "dataset", "of", "quantity", "setting", "estimator", "run", "unit"), pl.String()),
    **dict.fromkeys(("published", "published_p"), pl.Float64()),
    "p_below": pl.Boolean(),
    **dict.fromkeys(("here", "here_p", "low", "high"), pl.Float64()),
    "interval": pl.String(),
    "difference": pl.Float64(),
    "num_models": pl.Int64(),
    "note": pl.String(),
}
"""Columns of `comparison`."""

ACCURACY: Final = "accuracy_strict"
"""Accuracy as the paper counts it: the first greedy token is the right letter."""
WITHOUT_IMAGE: Final = "accuracy_strict_no_image"
_SHOWN: Final = 5
"""Maximum number of names in a sentence."""


@dataclass(frozen=True)
class Measures:
    """Statistics over models, each computed from a table and an estimator, with these columns.

    Attributes:
        correlations: `dataset`, `column`, `rho`, `p`, `num_models`: of accuracy with each column.
        image_removal: the same for `d_vision` with `synergy`.
        scaling: `family`, `from_size`, `to_size`, `delta_accuracy`, `delta_synergy`, `delta_unique_language` in
            percentage points, `num_datasets`.
    """

    correlations: Measure = tables.correlations
    image_removal: Measure = tables.image_removal
    scaling: Measure = partial(tables.scaling, regime=None)


def comparison(results: pl.DataFrame, measures: Measures | None = None) -> pl.DataFrame:
    """The paper's printed numbers next to those of this table, for its benchmarks and models (Tables 1 to 5).

    The paper's numbers are by BATCH; every estimator in the table has its own rows. Accuracy is that of the first
    greedy token, as in the paper, if every row has it. Correlations are over all models of this table, not the paper's;
    changes between sizes are in percentage points, averaged over whichever of MMBench and POPE both sizes have. Values
    of single models are at the output layer of finished models. Ablation settings are compared with rows of the same τ
    and pooling; the exact estimator uses no features, so its rows are compared with mean pooling.

    Args:
        results: the result table.
        measures: computes the statistics over models.

    Returns:
        `exhibit`; `dataset`; `of` (model, or family and sizes); `quantity`; `setting`; `estimator` and `run` of this
        table; `unit`; `published`, `published_p`, `p_below` (whether `published_p` is a bound); `here`, `here_p`; the
        interval of a value here, `low` and `high`, which covers what `interval` says; `difference` (here minus
        published); `num_models` here; `note`: why a number is missing here, or why the two differ.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: the table has none of the paper's benchmarks.
    """
    measures = measures or Measures()
    known = in_paper(given(results)).filter(pl.col("paper_dataset").is_not_null())
    if known.is_empty():
        names = ", ".join(published.datasets()["dataset"])
        raise NothingToShowError(f"The table has none of the paper's benchmarks ({names}).")
    estimators = sorted(known["estimator"].unique().to_list(), key=lambda name: (name != BATCH, name))
    frames = [compare_items(known)]
    for name in estimators:
        frames += _over_models(_named_as_published(known), name, measures)
    rows = pl.concat([*frames, compare_ablations(known)], how="diagonal_relaxed").with_columns(
        (pl.col("here") - pl.col("published")).alias("difference")
    )
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in SCHEMA.items() if name not in rows.columns]
    order = {name: place for place, name in enumerate(published.exhibits()["exhibit"])}
    rows = rows.with_columns(*missing, pl.col("note").fill_null(""))
    place = pl.col("exhibit").replace_strict(order, return_dtype=pl.Int64)
    return rows.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items()).sort(place, maintain_order=True)


def not_in_paper(results: pl.DataFrame) -> str:
    """A sentence with the models and benchmarks that the paper does not name; empty if it names all."""
    matched = in_paper(given(results))
    parts = []
    for name, what in (("model", "models"), ("dataset", "benchmarks")):
        unknown = matched.filter(pl.col(f"paper_{name}").is_null())[name].cast(pl.String).unique().sort().to_list()
        known = matched.filter(pl.col(f"paper_{name}").is_not_null())[name].cast(pl.String).unique().to_list()
        found = [each for each in unknown if each not in known]
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        parts += [f"{what} {', '.join(cut(each) for each in found[:_SHOWN])}{more}"] if found else []
    return f"Not named in the paper: {'; '.join(parts)}." if parts else ""


def _over_models(known: pl.DataFrame, estimator: str, measures: Measures) -> list[pl.DataFrame]:
    known = known.filter(pl.col("estimator") == estimator)
    named = known.filter(pl.col("paper_model").is_not_null() & pl.col("dataset").is_in(SCALING_DATASETS))
    frames = []
    for compared in (
        lambda: compare_correlations(measures.correlations(known, estimator), "accuracy"),
        lambda: compare_correlations(measures.image_removal(known, estimator), "d_vision"),
        lambda: compare_scaling(measures.scaling(_with_published_sizes(named), estimator)),
    ):
        try:
            frames.append(compared().with_columns(estimator=pl.lit(estimator)))
        except NothingToShowError:
            continue
    return frames


def _named_as_published(known: pl.DataFrame) -> pl.DataFrame:
    """Datasets under the paper's names, and accuracies as it counts them if every usable row has those."""
    renamed = known.with_columns(pl.col("paper_dataset").alias("dataset"))
    usable = successful(renamed)
    if usable[ACCURACY].null_count():
        return renamed
    drop = pl.col("d_vision") if usable[WITHOUT_IMAGE].null_count() else pl.col(ACCURACY) - pl.col(WITHOUT_IMAGE)
    return renamed.with_columns(pl.col(ACCURACY).alias("accuracy"), drop.alias("d_vision"))


def _with_published_sizes(named: pl.DataFrame) -> pl.DataFrame:
    sizes = published.models().select(pl.col("model").alias("paper_model"), "family", "size_b")
    return (
        named.drop("family", "size_b")
        .join(sizes, on="paper_model", maintain_order="left")
        .with_columns(pl.col("paper_model").alias("model"))
        .select(*(name for name in named.columns))
    )
