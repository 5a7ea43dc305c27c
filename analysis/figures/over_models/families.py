"""How families solve a regime's tasks: medians of synergy against language-unique information (the paper's Fig. 3)."""

from typing import Any, Final

import altair as alt
import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.figures import theme
from pid_lvlm.analysis.figures.base import Drawable, cell_width, inline
from pid_lvlm.analysis.figures.over_models.beside import Panel, beside
from pid_lvlm.analysis.figures.sizes import across
from pid_lvlm.analysis.frames.given import given, labelled
from pid_lvlm.analysis.frames.over_models.families import families_and_models
from pid_lvlm.analysis.frames.over_models.models import across_models
from pid_lvlm.analysis.frames.over_models.regimes import REGIMES
from pid_lvlm.data.bounds import FIGURE_MODELS
from pid_lvlm.data.contract.table.results import EXACT

_HEIGHT: Final = 320
_LEAST_RANGE: Final = 0.05  # bits
_PANEL: Final = 240  # pixels of a panel with spacing, wide enough for labels
_MARGIN: Final = 150  # pixels of the axis and the legend of sizes
_DRAWN: Final = (
    *("kind", "regime", "family", "model", "size_b", "synergy", "unique_language", "num_models", "num_datasets"),
    *("label_x", "label_y"),
)


def families(results: pl.DataFrame, estimator: str = EXACT) -> alt.FacetChart:
    """Medians of S against U2 in bits for each family, one panel per regime; models as dots scaled by size (Fig. 3).

    A dot is a model, at its medians over the datasets of the regime; a thin line connects a family's dots from smallest
    to largest. A diamond is the family's median over its models, hollow if there is only one. Atoms are clipped at 0.
    Regimes are those of `regimes`; datasets with too few models are not drawn.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no dataset has a regime.
    """
    models = across_models(labelled(given(results)), estimator).frame
    frame = families_and_models(models)
    if frame.is_empty():
        raise NothingToShowError(
            "No dataset has a regime: that takes four models with shares of the atoms on a dataset."
        )
    drawn = _first(frame)
    names = [name for name in REGIMES if name in drawn.frame["regime"].to_list()]
    columns = across(len(names), _PANEL)
    width = cell_width(columns, _MARGIN)
    placed = pl.concat(_placed(group, width) for group in drawn.frame.partition_by("regime", maintain_order=True))
    chart = alt.layer(*_marks(_sizes(placed)), data=inline(placed, _DRAWN)).properties(width=width, height=_HEIGHT)
    facet = alt.Facet("regime:N", title=None, sort=names, header=alt.Header(labelPadding=6))
    return drawn.say(chart.facet(facet=facet, columns=columns).resolve_scale(x="independent", y="independent"))


def _first(frame: pl.DataFrame) -> Drawable:
    """The first models and their families; the medians are still over all models."""
    models = frame["model"].drop_nulls().unique(maintain_order=True)
    if len(models) <= FIGURE_MODELS.most:
        return Drawable(frame)
    of_first = frame.filter(pl.col("model").is_in(models.head(FIGURE_MODELS.most).implode()))
    medians = frame.filter((pl.col("kind") == "family") & pl.col("family").is_in(of_first["family"].unique().implode()))
    said = f"Drawn here: {FIGURE_MODELS.most:,} of {len(models):,} models. The result table has all of them."
    return Drawable(pl.concat([of_first, medians]), said)


def _placed(frame: pl.DataFrame, width: int) -> pl.DataFrame:
    """One panel's rows with label positions, and a row for the far corner of both axes."""
    most_x, most_y = (max(_LEAST_RANGE, *frame[name].to_list()) for name in ("unique_language", "synergy"))
    panel = Panel("unique_language", "synergy", 1.1 * most_x, 1.1 * most_y, width, _HEIGHT)
    corner = {"kind": "corner", "regime": frame.item(0, "regime")}
    end = pl.DataFrame([corner | {"unique_language": panel.most_x, "synergy": panel.most_y}])
    return pl.concat([beside(frame, "family", panel), end], how="diagonal")


def _sizes(frame: pl.DataFrame) -> list[float]:
    """The smallest, the middle and the largest size, for the legend."""
    sizes = frame.filter(pl.col("size_b") > 0)["size_b"].unique().sort().to_list()
    return [sizes[place] for place in sorted({0, len(sizes) // 2, len(sizes) - 1})] if sizes else []


def _marks(sizes: list[float]) -> list[alt.Chart]:
    x = alt.X("unique_language:Q", axis=_axis("U2 (bits)"), scale=alt.Scale(zero=True, nice=False))
    y = alt.Y("synergy:Q", axis=_axis("S (bits)"), scale=alt.Scale(zero=True, nice=False))
    base = alt.Chart().encode(x=x, y=y)
    values = [
        alt.Tooltip("synergy:Q", title="S (bits)", format=".3f"),
        alt.Tooltip("unique_language:Q", title="U2 (bits)", format=".3f"),
        alt.Tooltip("num_datasets:Q", title="datasets"),
    ]
    of_family = [alt.Tooltip("family:N"), alt.Tooltip("num_models:Q", title="models"), *values]
    of_model = [alt.Tooltip("model:N"), alt.Tooltip("family:N"), alt.Tooltip("size_b:Q", title="size (1e9)"), *values]
    models, medians = (base.transform_filter(f"datum.kind == '{kind}'") for kind in ("model", "family"))
    sized = models.transform_filter("datum.size_b > 0")
    size = alt.Size(
        "size_b:Q",
        scale=alt.Scale(type="log", range=[14, 220]),
        legend=alt.Legend(
            title=["size (1e9", "parameters)"], orient="right", symbolType="circle", values=sizes, format="~g"
        ),
    )
    diamond: dict[str, Any] = {"shape": "diamond", "size": 90, "color": theme.INK, "strokeWidth": 1.5}
    corner = base.transform_filter("datum.kind == 'corner'").mark_point(opacity=0, aria=False)
    return [
        corner,
        sized.mark_line(color=theme.MUTED, opacity=0.3, strokeWidth=1).encode(detail="family:N", order="size_b:Q"),
        sized.mark_circle(color=theme.MUTED, opacity=0.45).encode(size=size, tooltip=of_model),
        models.transform_filter("!(datum.size_b > 0)")
        .mark_circle(color=theme.MUTED, opacity=0.45, size=40)
        .encode(tooltip=of_model),
        medians.transform_filter("datum.num_models > 1")
        .mark_point(filled=True, opacity=1, **diamond)
        .encode(tooltip=of_family),
        medians.transform_filter("datum.num_models == 1").mark_point(filled=False, **diamond).encode(tooltip=of_family),
        medians.mark_text(align="left", baseline="middle", color=theme.INK, fontSize=11).encode(
            x="label_x:Q", y="label_y:Q", text="family:N"
        ),
    ]


def _axis(title: str) -> alt.Axis:
    return alt.Axis(title=title, tickCount=4, format="~g")
