"""Which atom carries a dataset's answers: the shares of synergy and language-unique information over models."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from pid_lvlm.analysis.frames.memory import remembered
from pid_lvlm.analysis.frames.over_models.models import with_total
from pid_lvlm.analysis.statistics import Mean, PairedMeans, paired_means

SYNERGY_DRIVEN: Final = "synergy-driven"
KNOWLEDGE_DRIVEN: Final = "knowledge-driven"
MIXED: Final = "mixed"
NEITHER: Final = "neither"
UNDECIDED: Final = "not enough data"

REGIMES: Final = (SYNERGY_DRIVEN, KNOWLEDGE_DRIVEN, MIXED, NEITHER, UNDECIDED)
"""Regimes in the order of figures and tables."""

LEAST_SHARE: Final = 5.0
"""If both mean shares (S and U2) of a dataset are below this, in %, the regime is `neither`: R or U1 carry its
answers."""


@dataclass(frozen=True)
class Regime:
    """One dataset's mean shares over models, in % of R + U1 + U2 + S.

    Attributes:
        dataset: its name.
        name: one of `REGIMES`.
        synergy: mean share of S.
        language: mean share of U2.
        difference: share of S minus share of U2, in percentage points.
        num_models: number of models in the means.
        left_out: models of the dataset without shares: synergy is unknown, or the atoms are next to nothing.
    """

    dataset: str
    name: str
    synergy: Mean
    language: Mean
    difference: Mean
    num_models: int
    left_out: int


@remembered
def regimes(models: pl.DataFrame) -> list[Regime]:
    """The regime of each dataset that has a model with shares, the most synergy first within each regime.

    It is named after the larger share if the 95 % interval of the paired difference (bootstrap over models) excludes 0,
    and is `mixed` if not; it is `neither` if both mean shares are below `LEAST_SHARE`. With fewer than four models it
    is undecided.

    Args:
        models: one row per model and dataset, as in `AcrossModels.frame`.
    """
    all_models = dict(models.group_by("dataset").len().iter_rows())
    groups = with_total(models).partition_by("dataset", maintain_order=True)
    found = [_regime(group, all_models[group.item(0, "dataset")]) for group in groups]
    return sorted(found, key=lambda each: (REGIMES.index(each.name), -each.difference.value, each.dataset))


def datasets_of(found: Sequence[Regime], name: str) -> list[str]:
    """The datasets of one regime."""
    return [each.dataset for each in found if each.name == name]


def _regime(group: pl.DataFrame, all_models: int) -> Regime:
    shares = (100 * group[f"{atom}_share"] for atom in ("synergy", "unique_language"))
    means = paired_means(*(share.to_list() for share in shares))
    return Regime(
        group.item(0, "dataset"),
        _name(means),
        means.first,
        means.second,
        means.difference,
        means.count,
        all_models - means.count,
    )


def _name(means: PairedMeans) -> str:
    if means.difference.low is None or means.difference.high is None:
        return UNDECIDED
    if max(means.first.value, means.second.value) < LEAST_SHARE:
        return NEITHER
    if means.difference.low > 0:
        return SYNERGY_DRIVEN
    return KNOWLEDGE_DRIVEN if means.difference.high < 0 else MIXED
