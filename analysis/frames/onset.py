"""The onset of an atom: the training checkpoint from which its interval never reaches 0."""

from contextlib import suppress
from typing import Final

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.checkpoints import STAGE_RANK, checkpoint_name, is_checkpoint
from pid_lvlm.analysis.frames.differences import SCHEMA, differences
from pid_lvlm.analysis.frames.estimators import one_estimator
from pid_lvlm.analysis.frames.given import given
from pid_lvlm.analysis.frames.influences import Influences
from pid_lvlm.analysis.frames.intervals import ITEMS, ITEMS_UNCORRECTED
from pid_lvlm.analysis.frames.over_models.models import NEXT_TO_NOTHING
from pid_lvlm.analysis.frames.reshape import atoms_long, final_layer, with_series
from pid_lvlm.data.contract.table.results import EXACT, JOINT_KNOWS_LESS, USABLE
from pid_lvlm.data.names import ATOMS

REACHED: Final = "reached"
FROM_FIRST: Final = "from the first"
AT_LATEST: Final = "at the latest"
NOT_REACHED: Final = "not reached"
NOT_ENOUGH: Final = "not enough data"
"""Verdicts on an onset; see `onsets`."""

_CURVE: Final = ("series", "dataset", "atom")


def onsets(results: pl.DataFrame, estimator: str = EXACT, influences: Influences | None = None) -> pl.DataFrame:
    """The onset of each atom over the checkpoints of a training, a row per model, dataset and atom.

    An atom is present at a checkpoint if it has `NEXT_TO_NOTHING` bits or more and its 95 % interval over items is
    above 0, at the output layer. Its onset is the first checkpoint from which it is present at every checkpoint. A
    checkpoint is unknown if its fit failed, its atom is not reported or it has no interval over items.

    Verdicts: `reached`, at a checkpoint before which it was absent; `from the first` checkpoint, so it may have arisen
    earlier; `at the latest`, if the checkpoint before is unknown; `not reached`, if it is absent at the last; `not
    enough data`, with one checkpoint, or if the last is unknown.

    Args:
        results: the result table.
        estimator: which estimator to use if a problem has results from several.
        influences: influence values of the exact estimator's rows, for paired differences.

    Returns:
        Rows in reading order: `model` (the series), `dataset`, `atom`, `estimator`, `interval`, `checkpoints`,
        `stages` and `unknown` (counts), `verdict`, `missing` (what would be needed); for the onset `stage`, `step`, and
        `value`, `low` and `high` in bits, empty if there is none; the `last` checkpoint. For the onset's paired
        difference from the previous checkpoint: `change`, `change_low` and `change_high` in bits, and that checkpoint
        as `change_from`, empty if unknown.

    Raises:
        ResultTableError: this is not a result table.
    """
    found = onsets_of(final_layer(with_series(one_estimator(given(results), estimator))))
    return _with_changes(found, results, influences if estimator == EXACT else None)


def onsets_of(rows: pl.DataFrame) -> pl.DataFrame:
    """The onsets for rows of one estimator and ablation at the output layer, with `series`; failed fits included."""
    rows = rows.filter(is_checkpoint())
    rows = rows.sort(
        "family", "size_b", "series", "dataset", STAGE_RANK, "stage", "step", nulls_last=[True] * 4 + [False] * 3
    )
    long = atoms_long(rows.with_columns(checkpoint_name())).with_columns(_there().alias("there"))
    # `_since` counts backwards: the run of final checkpoints at which the atom is present.
    ends = pl.col("there").fill_null(value=False).reverse().cum_min().sum().over(_CURVE).alias("_since")
    curves = long.with_columns(ends).group_by(_CURVE, maintain_order=True)
    found = curves.agg(
        pl.col("estimator", "interval").last(),
        pl.len().alias("checkpoints"),
        pl.col("stage").n_unique().alias("stages"),
        pl.col("there").null_count().alias("unknown"),
        _verdict().alias("verdict"),
        _missing().alias("missing"),
        *(_at_onset(name).alias(new) for name, new in {"stage": "stage", "step": "step", "raw": "value"}.items()),
        *(_at_onset(name).alias(name) for name in ("low", "high")),
        pl.col("checkpoint").last().alias("last"),
    )
    order = pl.col("atom").replace_strict({atom: rank for rank, atom in enumerate(ATOMS)}, return_dtype=pl.Int64)
    names = found.select("series", "dataset").unique(maintain_order=True).with_row_index("_place")
    placed = found.join(names, on=["series", "dataset"], maintain_order="left").sort("_place", order)
    return placed.drop("_place").rename({"series": "model"})


def _with_changes(found: pl.DataFrame, results: pl.DataFrame, influences: Influences | None) -> pl.DataFrame:
    """The onsets with the paired difference from the previous checkpoint, if it is known."""
    changes = pl.DataFrame(schema=SCHEMA)
    if influences is not None:
        with suppress(NothingToShowError):
            changes = differences(results, influences, "checkpoints").frame
    named = {"difference": "change", "low": "change_low", "high": "change_high", "first": "change_from"}
    wanted = changes.select("model", "dataset", "atom", pl.col("second").alias("_onset"), *named).rename(named)
    place = pl.when(pl.col("value").is_not_null()).then(checkpoint_name())
    rows = found.with_columns(place.alias("_onset"))
    keys = ["model", "dataset", "atom", "_onset"]
    return rows.join(wanted, on=keys, how="left", maintain_order="left").drop("_onset")


def _there() -> pl.Expr:
    """Whether an atom is present at a checkpoint; null if unknown."""
    reported = pl.col("result").is_in(USABLE)
    reported &= (pl.col("result") != JOINT_KNOWS_LESS) | (pl.col("atom") != "synergy")
    over_items = pl.col("interval").is_in([ITEMS, ITEMS_UNCORRECTED])
    there = (pl.col("raw") >= NEXT_TO_NOTHING) & (pl.col("low") > 0)
    return pl.when(reported & over_items & pl.col("low").is_not_null()).then(there)


def _verdict() -> pl.Expr:
    since = pl.col("_since").first().cast(pl.Int64)
    before = pl.col("there").get(pl.len() - since - 1, null_on_oob=True)
    return (
        pl.when(_too_little())
        .then(pl.lit(NOT_ENOUGH))
        .when(since == 0)
        .then(pl.lit(NOT_REACHED))
        .when(since == pl.len())
        .then(pl.lit(FROM_FIRST))
        .when(before.is_null())
        .then(pl.lit(AT_LATEST))
        .otherwise(pl.lit(REACHED))
    )


def _too_little() -> pl.Expr:
    return (pl.len() < 2) | pl.col("there").last().is_null()


def _missing() -> pl.Expr:
    failed = ~pl.col("result").last().is_in(USABLE)
    last = pl.col("checkpoint").last()
    return (
        pl.when(pl.len() < 2)
        .then(pl.lit("a second checkpoint"))
        .when(pl.col("there").last().is_not_null())
        .then(None)
        .when(failed)
        .then(pl.format("the last checkpoint, {}, whose fit failed", last))
        .when((pl.col("result").last() == JOINT_KNOWS_LESS) & (pl.col("atom").last() == "synergy"))
        .then(pl.format("synergy of the last checkpoint, {}, which cannot be computed", last))
        .otherwise(pl.format("an interval over items of the last checkpoint, {}", last))
    )


def _at_onset(name: str) -> pl.Expr:
    since = pl.col("_since").first().cast(pl.Int64)
    # Out of bounds if there is none, which gives null.
    place = pl.when(~_too_little() & (since > 0)).then(pl.len().cast(pl.Int64) - since).otherwise(pl.len())
    return pl.col(name).get(place, null_on_oob=True)
