"""Curves of the four atoms over layers or training steps, in panels of model by dataset."""

from collections.abc import Sequence
from typing import Final

import altair as alt
import polars as pl

from pid_lvlm.analysis.figures import theme
from pid_lvlm.analysis.figures.base import BITS_AXIS, cell_width, dataset_column, inline, known, label_margin, ordered
from pid_lvlm.analysis.figures.sizes import current
from pid_lvlm.analysis.frames.notes import noted_atoms

_MANY: Final = 500  # fits; with more, points in print would hide the lines
NOTE: Final = "note"
VALUES: Final = ("raw", "low", "high", "sd", "corrected", "certified_low", "certified_high")


def curves(frame: pl.DataFrame, x: alt.X, place: str) -> list[alt.Chart]:
    """Lines and points of the four atoms along `x`, with a band if an interval is known.

    Like the interval, values are shown before clipping at 0: a curve below 0 shows estimation error. A point is hollow
    if its value is below 0 or beyond a diagnostic limit; the tooltip says which. A curve has a gap where an atom
    is not reported.

    Args:
        frame: rows of the result table, with `series`.
        x: the horizontal channel.
        place: the column that gives the position along `x` in the tooltip.
    """
    shown = shown_values(noted_atoms(frame))
    base = alt.Chart().encode(x=x, color=theme.atom_colour())
    y = alt.Y("raw:Q", axis=BITS_AXIS)
    lines = base.mark_line(strokeWidth=1.8, invalid="break-paths-filter-domains").encode(y=y)
    on_paper = current().millimetres is not None and frame.height > _MANY
    pointed = base.encode(y=y, tooltip=tooltip(place, shown))
    marks = [lines, *points(pointed, noted=NOTE in shown, shown=not on_paper)]
    if "low" not in shown:
        return marks
    bands = base.mark_area(opacity=0.2, invalid="break-paths-filter-domains").encode(
        y=alt.Y("low:Q", axis=BITS_AXIS), y2="high:Q"
    )
    return [bands, *marks]


def points(base: alt.Chart, *, noted: bool, size: float = 20, shown: bool = True) -> list[alt.Chart]:
    """Points of curves: all, or only hollow ones (values with a note), depending on `shown`."""
    # Accessible labels on thousands of points would help nobody and triple the file size.
    filled = base.mark_point(size=size, filled=True, opacity=1, aria=False)
    if not noted:
        return [filled] if shown else []
    hollow = base.mark_point(size=1.2 * size, filled=False, strokeWidth=1, opacity=1, aria=False)
    without, with_note = f"!isValid(datum.{NOTE})", f"isValid(datum.{NOTE})"
    marks = [filled.transform_filter(without)] if shown else []
    return [*marks, hollow.transform_filter(with_note)]


def panels(frame: pl.DataFrame, marks: Sequence[alt.Chart], columns: Sequence[str], height: int) -> alt.FacetChart:
    """One row of panels per series, one column per dataset.

    Args:
        frame: rows of the result table in reading order, with `series`.
        marks: layers of every panel, bottom first.
        columns: what the marks need in addition to series, dataset and the values of the atoms.
        height: of a panel, in pixels.
    """
    series, datasets = ordered(frame, "series"), sorted(ordered(frame, "dataset"))
    long = noted_atoms(frame)
    data = inline(long, ["series", "dataset", "atom_label", *columns, *shown_values(long)])
    width = cell_width(len(datasets), label_margin(series))
    chart = alt.layer(*marks, data=data).properties(width=width, height=height)
    beside = alt.Header(labelAngle=0, labelAlign="left", labelAnchor="middle", labelFontWeight="normal")
    row = alt.Row("series:N", title=None, sort=series, header=beside)
    return chart.facet(column=dataset_column(datasets, width), row=row)


def shown_values(long: pl.DataFrame) -> list[str]:
    """The columns of `noted_atoms` that curves show in tooltips, if they have a value."""
    return [name for name in (*VALUES, NOTE) if name == VALUES[0] or known(long, name)]


def tooltip(place: str, shown: Sequence[str]) -> list[alt.Tooltip]:
    """Model, dataset, place along the curve, atom, its values, and why it is hollow."""
    values = [name for name in shown if name != NOTE]
    return [
        alt.Tooltip("series:N", title="model"),
        alt.Tooltip("dataset:N"),
        alt.Tooltip(f"{place}:N"),
        alt.Tooltip("atom_label:N", title="atom"),
        *(alt.Tooltip(f"{name}:Q", title=f"{name.replace('_', ' ')} (bits)", format=".3f") for name in values),
        *([alt.Tooltip(f"{NOTE}:N", title="hollow because")] if NOTE in shown else []),
    ]
