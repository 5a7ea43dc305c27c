"""Task regimes: the mean shares of synergy and language-unique information per dataset (the paper's Fig. 2)."""

from typing import Any, Final

import altair as alt
import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.figures import theme
from pid_lvlm.analysis.figures.base import inline, label_margin
from pid_lvlm.analysis.figures.sizes import current
from pid_lvlm.analysis.frames.given import given, labelled
from pid_lvlm.analysis.frames.labels import LEGEND
from pid_lvlm.analysis.frames.over_models import regimes as of_models
from pid_lvlm.analysis.frames.over_models.models import across_models, with_total
from pid_lvlm.data.bounds import FIGURE_DATASETS, FIGURE_MODELS
from pid_lvlm.data.contract.table.results import EXACT

_ATOMS: Final = ("unique_language", "synergy")
_WIDTH: Final = 520
_MARGIN: Final = 20  # pixels right of the panels
_BAND: Final = 17  # pixels per atom of a dataset
_COLUMNS: Final = ("regime", "dataset", "atom_label", "kind", "model", "share", "low", "high", "num_models")


def regimes(results: pl.DataFrame, estimator: str = EXACT) -> alt.FacetChart:
    """Mean shares of S and U2 over models in %, one row per dataset, grouped by regime (Fig. 2).

    A share is an atom over R + U1 + U2 + S, all clipped at 0. A point is the mean over models, the line through it the
    95 % percentile bootstrap interval of the mean, treating models as independent; small ticks are the models (if there
    are at most 100). A mean over fewer than four models has no interval and is hollow. The regime is named after the
    larger share if the interval of the paired difference excludes 0, and is `mixed` otherwise; it is `neither` if both
    mean shares are below 5 %.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no usable fit at the final layer of a model has shares.
    """
    models = across_models(labelled(given(results)), estimator).frame
    found = of_models.regimes(models)[: FIGURE_DATASETS.most]
    if not found:
        raise NothingToShowError("No usable fit at the final layer of a model has shares of the atoms.")
    rows = pl.DataFrame(
        [row for each in found for row in _means(each)] + _single(models, found), infer_schema_length=None
    )
    datasets = [each.dataset for each in found]
    names = list(dict.fromkeys(each.name for each in found))
    chart = alt.layer(*_marks(datasets), data=inline(rows, _COLUMNS)).properties(
        width=min(_WIDTH, current().pixels - label_margin(datasets) - _MARGIN), height=alt.Step(_BAND)
    )
    header = alt.Header(labelOrient="top", labelAnchor="start", labelAngle=0, labelAlign="left", labelPadding=4)
    row = alt.Row("regime:N", title=None, sort=names, header=header)
    return chart.facet(row=row).resolve_scale(y="independent")


def _means(regime: of_models.Regime) -> list[dict[str, Any]]:
    return [
        {
            "regime": regime.name,
            "dataset": regime.dataset,
            "atom_label": LEGEND[atom],
            "kind": "mean",
            "model": None,
            "share": mean.value,
            "low": mean.low,
            "high": mean.high,
            "num_models": regime.num_models,
        }
        for atom, mean in zip(_ATOMS, (regime.language, regime.synergy), strict=True)
    ]


def _single(models: pl.DataFrame, found: list[of_models.Regime]) -> list[dict[str, Any]]:
    """Rows of single models, for datasets with few enough models to tell ticks apart."""
    shown = {each.dataset: each.name for each in found if each.num_models <= FIGURE_MODELS.most}
    singles = with_total(models.filter(pl.col("dataset").cast(pl.String).is_in(list(shown))))
    return [
        {"regime": shown[row["dataset"]], "dataset": row["dataset"], "atom_label": LEGEND[atom], "kind": "model"}
        | {"model": row["model"], "share": 100 * row[f"{atom}_share"], "low": None, "high": None, "num_models": 1}
        for row in singles.select("dataset", "model", *(f"{atom}_share" for atom in _ATOMS)).to_dicts()
        for atom in _ATOMS
    ]


def _marks(datasets: list[str]) -> list[alt.Chart]:
    share = alt.Axis(title="share of R + U1 + U2 + S (%)", tickCount=5)
    y = alt.Y(
        "dataset:N",
        title=None,
        sort=datasets,
        axis=alt.Axis(labelColor=theme.INK, ticks=False, domain=False, labelPadding=8),
    )
    base = alt.Chart().encode(
        x=alt.X("share:Q", axis=share, scale=alt.Scale(domain=[0, 100])),
        y=y,
        yOffset=alt.YOffset("atom_label:N", sort=[LEGEND[atom] for atom in _ATOMS]),
        color=theme.atom_colour(atoms=_ATOMS),
    )
    what = [alt.Tooltip("dataset:N"), alt.Tooltip("atom_label:N", title="atom")]
    value = alt.Tooltip("share:Q", title="share (%)", format=".1f")
    ends = [
        alt.Tooltip(f"{end}:Q", title=f"interval {to} (%)", format=".1f")
        for end, to in (("low", "from"), ("high", "to"))
    ]
    means = base.transform_filter("datum.kind == 'mean'")
    known = means.transform_filter("isValid(datum.low)")
    return [
        base.transform_filter("datum.kind == 'model'")
        .mark_tick(opacity=0.35, thickness=1, size=10)
        .encode(tooltip=[alt.Tooltip("model:N"), *what, value]),
        known.mark_rule(strokeWidth=2).encode(x="low:Q", x2="high:Q"),
        known.mark_point(filled=True, opacity=1, size=70).encode(
            tooltip=[*what, value, *ends, alt.Tooltip("num_models:Q", title="models")]
        ),
        means.transform_filter("!isValid(datum.low)")
        .mark_point(filled=False, size=60, strokeWidth=1.5, fill="white")
        .encode(tooltip=[*what, value, alt.Tooltip("num_models:Q", title="models (too few for an interval)")]),
    ]
