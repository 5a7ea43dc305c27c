"""What only shows over several models: regimes, correlates of accuracy, families, sizes."""

from collections.abc import Callable
from typing import Final, TypeVar

import polars as pl

from pid_lvlm.analysis import figures, tables
from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.over_models.models import across_models, of_enough_models
from pid_lvlm.analysis.report.contents.kinds import FigurePart, TablePart
from pid_lvlm.analysis.report.laid_out.over_models import correlations_table, regimes_table, scaling_table
from pid_lvlm.analysis.statistics import LEAST

_Shown = TypeVar("_Shown")


def _left_out(results: pl.DataFrame, estimator: str) -> str:
    return across_models(results, estimator).left_out()


def _of_several(show: Callable[..., _Shown]) -> Callable[[pl.DataFrame, str], _Shown]:
    """What is shown over models, for tables with more than one."""

    def shown(results: pl.DataFrame, estimator: str) -> _Shown:
        if across_models(results, estimator).frame["model"].n_unique() < 2:
            raise NothingToShowError("There is only one model.")
        return show(results, estimator)

    return shown


def _some_correlation(results: pl.DataFrame, estimator: str) -> pl.DataFrame:
    compared = of_enough_models(results)
    found = None if compared.is_empty() else tables.correlations(compared, estimator)
    if found is None or found["rho"].is_null().all():
        raise NothingToShowError(f"No dataset has {LEAST} models whose accuracy differs.")
    return found


OVER_MODELS: Final[tuple[FigurePart | TablePart, ...]] = (
    FigurePart(
        "regimes",
        "Task regimes",
        "Mean share of S and of U2 in R + U1 + U2 + S over models, in %, per dataset. Line: 95 % bootstrap interval of "
        "the mean over models, treated as independent; it is too narrow with fewer than ten models, and says nothing "
        "about items. Ticks: single models. Hollow, without an interval: fewer than four models. A regime is named "
        "after the larger share if the interval of the paired difference excludes 0; neither: both mean shares are "
        "below 5 %.",
        _of_several(figures.regimes),
        _left_out,
        optional=True,
    ),
    TablePart(
        "regime_shares",
        "Task regimes in numbers",
        "The same means in %, with intervals in brackets, and the mean within-model difference of the two shares, in "
        "percentage points.",
        _of_several(tables.regimes),
        regimes_table,
        of_table=_left_out,
        of_one=True,
        optional=True,
    ),
    TablePart(
        "correlations",
        "Correlates of accuracy",
        "Spearman's ρ of accuracy with each quantity over models, with its 95 % interval (Fisher's z with the variance "
        "of Bonett and Wright) and two-sided p, not corrected for the number of tests; bold: p < 0.05. Both treat "
        "models as independent, although sizes of one family are not. A correlation over models does not imply "
        "causation.",
        _some_correlation,
        correlations_table,
        of_table=_left_out,
        of_one=True,
        optional=True,
    ),
    FigurePart(
        "image_removal",
        "Accuracy drop without the picture",
        "Accuracy with the picture minus accuracy without it, in percentage points, against synergy in bits. Each "
        "point is a model; hollow: no option letter in more than half of its rows. Above each panel: Spearman's ρ, its "
        "95 % interval over models, two-sided p and the number of models.",
        _of_several(figures.image_removal),
        _left_out,
        optional=True,
    ),
    FigurePart(
        "families",
        "Strategies of families",
        "S against U2, in bits. Dots: models, each at its medians over the datasets of the panel's regime; larger dots "
        "are larger models, and lines join a family from small to large. Diamonds: medians of families (hollow: one "
        "model). Scales differ between panels.",
        _of_several(figures.families),
        _left_out,
        optional=True,
    ),
    TablePart(
        "scaling",
        "From size to size",
        "Changes from one size of a family to the next, in percentage points, on synergy-driven datasets; means over "
        "datasets. These are single differences without an interval.",
        _of_several(tables.scaling),
        scaling_table,
        of_table=_left_out,
        of_one=True,
        optional=True,
    ),
)
"""Figures and tables over models."""
