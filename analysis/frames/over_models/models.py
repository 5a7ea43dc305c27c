"""One row per model and dataset for statistics over models: final layer, final checkpoint, one setting."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.given import given
from pid_lvlm.analysis.frames.memory import remembered
from pid_lvlm.analysis.frames.reshape import (
    SETTINGS,
    final_checkpoint,
    final_layer,
    in_reading_order,
    reported,
    with_series,
)
from pid_lvlm.analysis.statistics import LEAST
from pid_lvlm.data.contract.table.results import EXACT, MARGINALS, USABLE
from pid_lvlm.data.names import ATOMS, DEFAULT_POOLING, DEFAULT_TAU

UNANSWERED: Final = 0.5
"""Above this share of uniform rows, a row of the table says nothing about its model."""

NEXT_TO_NOTHING: Final = 0.05
"""Below this total of the four atoms, in bits, their shares are noise."""


@dataclass(frozen=True)
class AcrossModels:
    """One row per model and dataset, and the number of missing rows by reason.

    Attributes:
        frame: rows of the result table as `reported`, in reading order; `series` is the model.
        failed: number of pairs of model and dataset whose fit failed.
        other_setting: number of pairs measured with a different setting from most models of the dataset.
    """

    frame: pl.DataFrame
    failed: int
    other_setting: int

    def left_out(self) -> str:
        """What is not in `frame`, as a sentence; empty if nothing is."""
        parts = [f"{self.failed} failed"] if self.failed else []
        parts += [f"{self.other_setting} measured with a different setting"] if self.other_setting else []
        return f"Left out (pairs of model and dataset): {', '.join(parts)}." if parts else ""


@remembered
def across_models(results: pl.DataFrame, estimator: str = EXACT) -> AcrossModels:
    """Each model once per dataset: final layer, final checkpoint, and the setting chosen by `one_setting`.

    If a model has several runs with this setting, the first successful one counts. A failed final checkpoint is not
    replaced by an earlier one.

    Args:
        results: the result table.
        estimator: which estimator to use if a problem has results from several.

    Raises:
        ResultTableError: this is not a result table.
    """
    final = final_layer(final_checkpoint(by_model(given(results))))
    once = one_setting(final, estimator).unique(["model", "dataset"], keep="first", maintain_order=True)
    all_pairs = final.select("model", "dataset").unique().height
    frame = in_reading_order(reported(once))
    return AcrossModels(frame, failed=once.height - frame.height, other_setting=all_pairs - once.height)


def by_model(results: pl.DataFrame) -> pl.DataFrame:
    """The table with the model as `series`, without runs whose checkpoint another run has at more layers."""
    return with_series(results).with_columns(series=pl.col("model"))


def one_setting(frame: pl.DataFrame, estimator: str = EXACT) -> pl.DataFrame:
    """The rows of one setting per dataset, successful ones first, by run and recipe.

    A setting is the combination of preset, estimator, τ, pooling, marginals and strata. Among those in the table, each
    dataset gets a setting of `estimator` if there is one; ties are broken by the most models of the dataset, then by
    the most rows over all datasets, then by closeness to the paper's (τ = 0.3, mean pooling).

    Args:
        frame: rows of the result table.
        estimator: the one to prefer.
    """
    preference: dict[str, pl.Expr] = {
        "_of_another": pl.col("estimator") != estimator,
        "_models": -pl.col("model").n_unique().over("dataset", *SETTINGS).cast(pl.Int64),
        "_rows": -pl.struct("model", "dataset").n_unique().over(SETTINGS).cast(pl.Int64),
        "_tau": (pl.col("tau") - DEFAULT_TAU).abs().round(9),
        "_pooling": pl.col("pooling").fill_null(DEFAULT_POOLING) != DEFAULT_POOLING,
        "_marginals": pl.col("marginals").fill_null(MARGINALS[0]) != MARGINALS[0],
    }
    best_first = frame.with_columns(**preference).sort(*preference, maintain_order=True)
    setting = best_first.unique("dataset", keep="first", maintain_order=True).select("dataset", *SETTINGS)
    same = frame.join(setting, on=["dataset", *SETTINGS], how="semi", nulls_equal=True, maintain_order="left")
    return same.sort(~pl.col("result").is_in(USABLE), "run", "recipe", maintain_order=True)


def of_enough_models(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows of datasets with enough models for a correlation or a regime."""
    return frame.filter(pl.col("model").n_unique().over("dataset") >= LEAST)


def with_total(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows with meaningful shares: synergy is known, and the atoms total `NEXT_TO_NOTHING` bits or more."""
    total = pl.sum_horizontal(*ATOMS, ignore_nulls=False)
    shares = (pl.col(f"{atom}_share").cast(pl.Float64).is_finite() for atom in ATOMS)
    return frame.filter((total >= NEXT_TO_NOTHING) & pl.all_horizontal(shares))


def with_values(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The rows that have a number in each of the columns.

    Raises:
        NothingToShowError: there are none; the text names the first column without a value.
    """
    found = frame.filter(
        pl.all_horizontal(pl.col(name).is_not_null() & pl.col(name).cast(pl.Float64).is_finite() for name in columns)
    )
    if frame.is_empty():
        raise NothingToShowError("No fit succeeded at the final layer of a model.")
    if found.is_empty():
        empty = next((name for name in columns if frame[name].is_null().all()), None)
        what = (
            f"a value in the column `{empty}`" if empty else f"numbers in {', '.join(f'`{name}`' for name in columns)}"
        )
        raise NothingToShowError(f"No usable fit at the final layer of a model has {what}.")
    return found
