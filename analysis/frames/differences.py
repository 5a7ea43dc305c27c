"""Differences of the atoms between models, layers or checkpoints that answered the same items."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final, Literal, get_args

import numpy as np
import polars as pl
from scipy import special

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.checkpoints import STAGE_RANK, checkpoint_name, is_checkpoint
from pid_lvlm.analysis.frames.depth import layered
from pid_lvlm.analysis.frames.estimators import one_estimator
from pid_lvlm.analysis.frames.given import given
from pid_lvlm.analysis.frames.influences import Influence, Influences
from pid_lvlm.analysis.frames.memory import remembered
from pid_lvlm.analysis.frames.over_models.models import across_models
from pid_lvlm.analysis.frames.reshape import final_layer, reported, with_series
from pid_lvlm.analysis.statistics import holm
from pid_lvlm.data.bounds import DIFFERENCES
from pid_lvlm.data.command.shown import count
from pid_lvlm.data.contract.table.results import EXACT, JOINT_KNOWS_LESS
from pid_lvlm.data.grouped_mean import grouped_mean
from pid_lvlm.data.names import ATOMS

Between = Literal["models", "layers", "checkpoints"]

LEVEL: Final = 0.95
"""Confidence level: share of item samples whose interval should contain the true difference."""

SCHEMA: Final = {
    **dict.fromkeys(("dataset", "model", "first", "second", "atom"), pl.String()),
    **dict.fromkeys(("difference", "low", "high", "standard_error", "p", "p_holm"), pl.Float64()),
    "differs": pl.Boolean(),
    "items": pl.Int64(),
    "groups": pl.Int64(),
    "interval": pl.String(),
}
"""Columns of the differences, explained in `differences`."""


@dataclass(frozen=True)
class Differences:
    """Differences with their intervals, and how many pairs could not be compared.

    Attributes:
        frame: a row per pair and atom, with the columns of `SCHEMA`.
        without: pairs where one has no influence values.
        other_items: pairs whose items or groups differ.
        other_interval: pairs where only one is corrected for the number of items.
    """

    frame: pl.DataFrame
    without: int = 0
    other_items: int = 0
    other_interval: int = 0

    def left_out(self) -> str:
        """What is not in `frame`, as a sentence; empty if nothing is."""
        reasons = {
            "without influence values": self.without,
            "whose items are not the same": self.other_items,
            "where only one is corrected for the number of items": self.other_interval,
        }
        parts = [f"{count(number, 'pair')} {reason}" for reason, number in reasons.items() if number]
        return f"Left out: {', '.join(parts)}." if parts else ""


@remembered
def differences(results: pl.DataFrame, influences: Influences, between: Between) -> Differences:
    """Atoms of `second` minus those of `first`, by the exact estimator, on the items that both answered.

    The estimate is the difference between the two estimates at the centres of the intervals over items. Its standard
    error is that of the mean itemwise difference of influence values, treating group sums as independent
    (`grouped_mean`); the interval is Student's, widened at each end by half of both certified gaps, and p is the level
    at which it would reach 0.

    Args:
        results: the result table.
        influences: influence values of its rows.
        between: `models` (every pair of models on a dataset, each once as in `across_models`), `layers` or
            `checkpoints` (each with the next one of the same model).

    Returns:
        Columns `dataset`, `model` (empty between models), `first`, `second`, `atom`; `difference`, `low`, `high`,
        `standard_error` in bits; `p` of this difference alone, `p_holm` for all rows of this frame together, and
        whether it `differs` (`p_holm` < 0.05); `items`, `groups`, and what the `interval` covers. Numbers of synergy
        are empty if it is not reported.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: there is no pair, too many pairs, or none that can be compared.
    """
    if between not in _PAIRS:
        raise ValueError(f"between: expected one of {', '.join(get_args(Between))}, found {between!r}")
    pairs = list(_PAIRS[between](given(results)))
    if not pairs:
        raise NothingToShowError(f"Fewer than two {between} can be compared.")
    of_problem = influences.of_problem
    left_out = {"without": 0, "other_items": 0, "other_interval": 0}
    rows: list[dict[str, Any]] = []
    for pair in pairs:
        first, second = (of_problem.get(row["problem_id"]) for row in (pair.first, pair.second))
        if first is None or second is None:
            left_out["without"] += 1
        elif first.items != second.items:
            left_out["other_items"] += 1
        elif first.interval != second.interval:
            left_out["other_interval"] += 1
        else:
            rows += _compared(pair, first, second)
    if not rows:
        nothing = Differences(pl.DataFrame(), **left_out)
        raise NothingToShowError(f"No two {between} can be compared. {nothing.left_out()}")
    return Differences(_with_holm(pl.DataFrame(rows, schema_overrides=SCHEMA)).select(list(SCHEMA)), **left_out)


@dataclass(frozen=True)
class _Pair:
    """Two rows of the result table and their names."""

    first: Mapping[str, Any]
    second: Mapping[str, Any]
    names: tuple[str, str]
    model: str | None


def _pairs_of_models(results: pl.DataFrame) -> Iterator[_Pair]:
    frame = _exact(across_models(results).frame)
    pairs = int(frame.group_by("dataset").len().select((pl.col("len") * (pl.col("len") - 1) // 2).sum()).item())
    if pairs > DIFFERENCES.most:
        raise NothingToShowError(
            f"There are {pairs:,} pairs of models, and at most {DIFFERENCES.most:,} are compared; pass a table with "
            "fewer models or datasets."
        )
    for _, part in frame.group_by("dataset", maintain_order=True):
        for first, second in combinations(part.to_dicts(), 2):
            yield _Pair(first, second, (first["series"], second["series"]), None)


def _pairs_of_layers(results: pl.DataFrame) -> Iterator[_Pair]:
    frame = _exact(layered(results)).sort("layer", maintain_order=True)
    yield from _neighbours(frame, lambda row: f"layer {row['layer']}")


def _pairs_of_checkpoints(results: pl.DataFrame) -> Iterator[_Pair]:
    chosen = final_layer(with_series(one_estimator(results, EXACT))).filter(is_checkpoint())
    frame = _exact(reported(chosen)).with_columns(checkpoint_name()).sort(STAGE_RANK, "stage", "step")
    yield from _neighbours(frame, lambda row: row["checkpoint"])


def _neighbours(frame: pl.DataFrame, name: Callable[[Mapping[str, Any]], str]) -> Iterator[_Pair]:
    placed = frame.sort("dataset", "family", "size_b", "series", nulls_last=True, maintain_order=True)
    for (_, model), part in placed.group_by("dataset", "series", maintain_order=True):
        rows = part.to_dicts()
        for first, second in zip(rows, rows[1:], strict=False):
            yield _Pair(first, second, (name(first), name(second)), str(model))


def _exact(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(pl.col("estimator") == EXACT)


_PAIRS: Final[Mapping[str, Callable[[pl.DataFrame], Iterator[_Pair]]]] = {
    "models": _pairs_of_models,
    "layers": _pairs_of_layers,
    "checkpoints": _pairs_of_checkpoints,
}


def _compared(pair: _Pair, first: Influence, second: Influence) -> list[dict[str, Any]]:
    """A row per atom."""
    difference = second.estimate - first.estimate
    groups = len(first.sums)
    error, freedom = grouped_mean(second.sums - first.sums, groups)
    half_gap = first.half_gap + second.half_gap
    reach = special.stdtrit(freedom, (1 + LEVEL) / 2) * error + half_gap
    beyond = np.maximum(np.abs(difference) - half_gap, 0)
    statistic = np.divide(beyond, error, out=np.where(beyond > 0, np.inf, 0.0), where=error > 0)
    p = 2 * special.stdtr(freedom, -statistic)
    unknown = JOINT_KNOWS_LESS in (pair.first["result"], pair.second["result"])
    named = {"dataset": pair.first["dataset"], "model": pair.model, "first": pair.names[0], "second": pair.names[1]}
    found = {"items": first.num_items, "groups": groups, "interval": first.interval}
    numbers = {
        "difference": difference,
        "low": difference - reach,
        "high": difference + reach,
        "standard_error": error,
        "p": p,
    }
    return [
        named
        | {"atom": atom}
        | {name: None if unknown and atom == "synergy" else float(values[i]) for name, values in numbers.items()}
        | found
        for i, atom in enumerate(ATOMS)
    ]


def _with_holm(frame: pl.DataFrame) -> pl.DataFrame:
    known = frame["p"].is_not_null()
    adjusted = iter(holm(frame["p"].drop_nulls().to_list()))
    values = [next(adjusted) if each else None for each in known]
    frame = frame.with_columns(pl.Series("p_holm", values, pl.Float64()))
    return frame.with_columns((pl.col("p_holm") < 1 - LEVEL).alias("differs"))
