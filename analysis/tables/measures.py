"""Definitions of redundancy other than BROJA's, and which conclusions hold for all of them."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from scipy import stats

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.given import given
from pid_lvlm.analysis.frames.labels import WORDS
from pid_lvlm.analysis.frames.over_models.models import across_models
from pid_lvlm.analysis.frames.reshape import finals
from pid_lvlm.data.contract.table.results import EXACT
from pid_lvlm.data.names import ATOMS

BROJA: Final = "BROJA"
OTHERS: Final = {"MMI": "redundancy_mmi", "I_min": "redundancy_imin"}
"""Other measures and the columns of their redundancy: min(I1, I2), and I_min of Williams and Beer."""

_BLOCK: Final = 256
"""Number of models compared with all others at a time."""

_DIGITS: Final = 9
"""Differences of terms are rounded, or rounding errors would order atoms that are 0."""

_NOTHING: Final = "No fit of the exact estimator at the final layer of a model has redundancy by another measure."


def other_measures(results: pl.DataFrame) -> pl.DataFrame:
    """The four atoms by three measures at the final checkpoint and layer, three rows per model and dataset.

    A measure defines the redundancy R; the other atoms follow from it and the information terms of the row:
    U1 = I1 - R, U2 = I2 - R, S = I12 - I1 - I2 + R. So if one measure has more redundancy than another, it has more
    synergy by the same amount. Atoms are before clipping at 0. Only rows of the exact estimator have other measures.

    Returns:
        `model`, `dataset`, `measure` (BROJA, MMI or I_min), the four atoms in bits, `largest` (the largest atom).
        Synergy is empty where it is not reported, and so is `largest`.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no usable row has another measure.
    """
    return _by_measure(finals(given(results)))


def surviving_conclusions(results: pl.DataFrame) -> pl.DataFrame:
    """Which conclusions about the models of a dataset do not depend on the measure, five rows per dataset.

    A conclusion is the order of two models by an atom, or which atom of a model is the largest. Only pairs whose
    certified intervals do not overlap count: for the others even BROJA does not say which model has more. Models count
    once per dataset, as in `across_models`. An order that holds for all measures can still be specific to these items.

    Returns:
        `dataset`, `conclusion`, `num_models`, `cases` (pairs of models, or models), and how many of these also hold by
        the other measures: `survive_mmi`, `survive_imin` and `survive_both`; `kendall_mmi` and `kendall_imin`,
        Kendall's τ between the orders of all models, empty for fewer than three models or without differences.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no dataset has two models with another measure.
    """
    frame = across_models(given(results)).frame
    table = _by_measure(frame)
    ends = [f"{atom}_certified_{end}" for atom in ATOMS for end in ("low", "high")]
    table = table.join(frame.select(pl.col("series").alias("model"), "dataset", *ends), on=["model", "dataset"])
    rows = []
    for dataset, models in table.sort("dataset", maintain_order=True).group_by("dataset", maintain_order=True):
        if models["model"].n_unique() > 1:
            rows += [{"dataset": dataset[0], **row} for row in _conclusions(models)]
    if not rows:
        raise NothingToShowError("No dataset has two models with redundancy by another measure.")
    return pl.DataFrame(rows, infer_schema_length=None)


def _by_measure(final: pl.DataFrame) -> pl.DataFrame:
    known = final.filter((pl.col("estimator") == EXACT) & pl.all_horizontal(pl.col(*OTHERS.values()).is_not_null()))
    if known.is_empty():
        raise NothingToShowError(_NOTHING)
    names = (pl.col("series").alias("model"), "dataset")
    own = known.select(*names, pl.lit(BROJA).alias("measure"), *(pl.col(f"{atom}_raw").alias(atom) for atom in ATOMS))
    others = [known.select(*names, pl.lit(name).alias("measure"), *_atoms(column)) for name, column in OTHERS.items()]
    place = pl.int_range(pl.len()).over("measure")
    table = pl.concat([own, *others]).sort(place, maintain_order=True)
    most = pl.max_horizontal(ATOMS)
    largest = pl.coalesce(pl.when(pl.col(atom) == most).then(pl.lit(atom)) for atom in ATOMS)
    return table.with_columns(pl.when(pl.col("synergy").is_not_null()).then(largest).alias("largest"))


def _atoms(redundancy: str) -> list[pl.Expr]:
    """The atoms that follow from the redundancy in a column; synergy only if BROJA's is reported."""
    shared, vision, language = pl.col(redundancy), pl.col("i_vision"), pl.col("i_language")
    synergy = pl.when(pl.col("synergy_raw").is_not_null()).then(pl.col("i_joint") - vision - language + shared)
    values = (shared, vision - shared, language - shared, synergy)
    return [value.round(_DIGITS).alias(atom) for value, atom in zip(values, ATOMS, strict=True)]


@dataclass(frozen=True)
class _Orders:
    """An atom of a dataset's models by each measure, and the certified ends of BROJA's."""

    own: np.ndarray
    low: np.ndarray
    high: np.ndarray
    others: tuple[np.ndarray, ...]


def _conclusions(models: pl.DataFrame) -> list[dict[str, object]]:
    rows = [{"conclusion": f"order of two models by {WORDS[atom]}", **_order(_orders(models, atom))} for atom in ATOMS]
    return [*rows, {"conclusion": "largest atom of a model", **_largest(models)}]


def _orders(models: pl.DataFrame, atom: str) -> _Orders:
    by = {name[0]: rows for name, rows in models.drop_nulls(atom).partition_by("measure", as_dict=True).items()}
    first = by.get(BROJA, models.clear())
    low, high = (first[f"{atom}_certified_{end}"].fill_null(first[atom]).to_numpy() for end in ("low", "high"))
    others = tuple(by.get(name, models.clear())[atom].to_numpy() for name in OTHERS)
    return _Orders(first[atom].to_numpy(), low, high, others)


def _order(orders: _Orders) -> dict[str, object]:
    """Number of model pairs that BROJA tells apart, and how many of them keep their order under the other measures."""
    cases, same = 0, np.zeros(len(OTHERS) + 1, dtype=int)
    for start in range(0, len(orders.own), _BLOCK):
        first, second = np.s_[start : start + _BLOCK, None], np.s_[None, start:]
        apart = (orders.low[second] > orders.high[first]) | (orders.high[second] < orders.low[first])
        apart = np.triu(apart, k=1)  # each pair once
        more = orders.own[second] > orders.own[first]
        hold = [np.where(more, other[second] > other[first], other[second] < other[first]) for other in orders.others]
        cases += int(np.count_nonzero(apart))
        same += [np.count_nonzero(apart & held) for held in (*hold, np.logical_and.reduce(hold))]
    return _counted(len(orders.own), cases, same.tolist(), [_kendall(orders.own, other) for other in orders.others])


def _largest(models: pl.DataFrame) -> dict[str, object]:
    wide = models.pivot("measure", index="model", values="largest").drop_nulls()
    hold = [wide[BROJA] == wide[name] for name in OTHERS]
    same = [int(held.sum()) for held in (*hold, hold[0] & hold[1])]
    return _counted(wide.height, wide.height, same, [None for _ in OTHERS])


def _counted(num_models: int, cases: int, same: list[int], correlations: list[float | None]) -> dict[str, object]:
    names = ("survive_mmi", "survive_imin", "survive_both", "kendall_mmi", "kendall_imin")
    return {"num_models": num_models, "cases": cases, **dict(zip(names, (*same, *correlations), strict=True))}


def _kendall(first: np.ndarray, second: np.ndarray) -> float | None:
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(stats.kendalltau(first, second).statistic)
