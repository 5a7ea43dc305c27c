"""Curves of several models in the same panels, with a row of panels for each atom and optionally for accuracy."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import altair as alt
import polars as pl

from pid_lvlm.analysis.figures import theme
from pid_lvlm.analysis.figures.base import (
    BETWEEN,
    BITS_AXIS,
    cell_width,
    dataset_column,
    inline,
    known,
    label_margin,
    ordered,
)
from pid_lvlm.analysis.figures.curves.panels import NOTE, points, shown_values, tooltip
from pid_lvlm.analysis.figures.sizes import across
from pid_lvlm.analysis.frames.labels import LEGEND
from pid_lvlm.analysis.frames.notes import noted_atoms

_HEIGHT: Final = 96
_LEGEND_COLUMNS: Final = 6
_LARGE, _SMALL = 16, 7
_FAMILY: Final = "family"
_OF_MANY, _OF_FEW = ("raw", NOTE), ("low", "high")
_CURVE_TOOLTIP: Final = [
    alt.Tooltip("series:N", title="model"),
    alt.Tooltip("dataset:N"),
    alt.Tooltip("atom_label:N", title="atom"),
]
_FADED: Final = 0.08
_PICKED: Final = "picked"
_LINES: Final = "lines"
_ACCURACY: Final = "accuracy"


@dataclass(frozen=True)
class Place:
    """The position of points along a curve.

    Attributes:
        x: the horizontal channel.
        column: the column for the tooltip.
        columns: the columns that the channel and the tooltip need.
        marks: the marks below the curves of every panel.
    """

    x: alt.X
    column: str
    columns: tuple[str, ...]
    marks: tuple[alt.Chart, ...] = ()


def overlaid(
    frame: pl.DataFrame,
    place: Place,
    *,
    accuracy: bool = False,
    below: Callable[[alt.Color, str, int], alt.FacetChart] | None = None,
) -> alt.VConcatChart:
    """One line per model in panels of atom by dataset.

    Each model has its own colour. With more models than colours, each family has one, and points are drawn only where a
    value has a note: thousands of points would hide the lines. A click on the legend fades the others.

    Args:
        frame: rows of the result table in reading order, with `series` and the columns of `place`.
        place: the points along a curve.
        accuracy: add a row of panels below with the accuracy, in % of the items.
        below: draws one more panel, as wide as the others together, given the colour channel of the lines, its column,
            and the width in pixels.
    """
    datasets = sorted(ordered(frame, "dataset"))
    width = cell_width(len(datasets), label_margin(list(LEGEND.values())))
    field = _hue(frame)
    rows = [_atoms(frame, place, field, datasets, width)]
    if accuracy and known(frame, _ACCURACY):
        rows.append(_accuracies(frame, place, field, datasets, width))
    if below is not None:
        rows.append(below(_colour(frame, field), field, len(datasets) * (width + BETWEEN) - BETWEEN))
    chart = alt.vconcat(*rows, spacing=6).resolve_scale(color="shared", strokeDash="shared")
    chart.params = [_picked(field)]
    return chart


def _picked(field: str) -> alt.TopLevelSelectionParameter:
    """One selection for all panels; `add_params` would make one per row of panels, with a warning."""
    select = alt.PointSelectionConfig(type="point", fields=[field])
    return alt.TopLevelSelectionParameter(name=_PICKED, select=select, bind="legend", views=[_LINES])


def _atoms(frame: pl.DataFrame, place: Place, field: str, datasets: list[str], width: int) -> alt.FacetChart:
    long, many = noted_atoms(frame), field == _FAMILY
    shown = [name for name in shown_values(long) if name in _OF_MANY or (name in _OF_FEW and not many)]
    data = inline(long, _distinct(["series", field, "dataset", "atom_label", *place.columns, *shown]))
    base = _base(frame, place, field).encode(y=alt.Y("raw:Q", axis=BITS_AXIS))
    lines = line(base).encode(tooltip=_CURVE_TOOLTIP).properties(name=_LINES)
    dots = points(
        base.encode(tooltip=tooltip(place.column, shown)), noted=NOTE in shown, size=_SMALL if many else _LARGE
    )
    chart = alt.layer(*place.marks, lines, *(dots[1:] if many else dots), data=data)
    chart = chart.properties(width=width, height=_HEIGHT)
    return chart.facet(column=dataset_column(datasets, width), row=row_heading("atom_label", list(LEGEND.values())))


def _accuracies(frame: pl.DataFrame, place: Place, field: str, datasets: list[str], width: int) -> alt.FacetChart:
    named = frame.with_columns(pl.lit(_ACCURACY).alias("quantity"), (100 * pl.col(_ACCURACY)).alias("percent"))
    data = inline(named, _distinct(["series", field, "dataset", "quantity", *place.columns, "percent"]))
    y = alt.Y("percent:Q", axis=alt.Axis(title="%", tickCount=4), scale=alt.Scale(domain=[0, 100]))
    tips = [
        alt.Tooltip("series:N", title="model"),
        alt.Tooltip("dataset:N"),
        alt.Tooltip(f"{place.column}:N"),
        alt.Tooltip("percent:Q", title="accuracy (%)", format=".1f"),
    ]
    base = _base(frame, place, field).encode(y=y)
    dots = base.encode(tooltip=tips).mark_point(size=_LARGE, filled=True, opacity=1, aria=False)
    chart = alt.layer(*place.marks[:1], line(base), dots, data=data).properties(width=width, height=_HEIGHT)
    column = alt.Column("dataset:N", title=None, sort=datasets, header=alt.Header(labels=False))
    return chart.facet(column=column, row=row_heading("quantity", [_ACCURACY]))


def _base(frame: pl.DataFrame, place: Place, field: str) -> alt.Chart:
    names = ordered(frame, field)
    hues = len(theme.HUES)
    encoded = alt.Chart().encode(x=place.x, color=_colour(frame, field), detail="series:N")
    if len(names) <= hues:
        return encoded
    dashes = alt.Scale(domain=names, range=[theme.DASHES[i // hues % len(theme.DASHES)] for i in range(len(names))])
    return encoded.encode(strokeDash=alt.StrokeDash(f"{field}:N", scale=dashes, legend=_legend()))


def _colour(frame: pl.DataFrame, field: str) -> alt.Color:
    names = ordered(frame, field)
    colours = alt.Scale(domain=names, range=[theme.HUES[i % len(theme.HUES)] for i in range(len(names))])
    return alt.Color(f"{field}:N", scale=colours, legend=_legend())


def _legend() -> alt.Legend:
    return alt.Legend(title=None, orient="top", columns=across(_LEGEND_COLUMNS, 175), symbolType="stroke", offset=10)


def line(base: alt.Chart, width: float = 1.6) -> alt.Chart:
    """A line that fades when another entry of the legend is clicked."""
    faded = alt.condition(alt.selection_point(name=_PICKED), alt.value(0.9), alt.value(_FADED))
    return base.mark_line(strokeWidth=width, invalid="break-paths-filter-domains").encode(opacity=faded)


def _hue(frame: pl.DataFrame) -> str:
    """What the colour stands for: the model, or its family if there are more models than colours."""
    return "series" if frame["series"].n_unique() <= len(theme.HUES) else _FAMILY


def row_heading(column: str, names: list[str]) -> alt.Row:
    """Rows of panels with their names on the left."""
    beside = alt.Header(labelAngle=0, labelAlign="left", labelAnchor="middle", labelFontWeight="normal")
    return alt.Row(f"{column}:N", title=None, sort=names, header=beside)


def _distinct(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))
