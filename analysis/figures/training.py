"""When in training the information arises: atoms over checkpoints."""

from typing import Final

import altair as alt
import polars as pl

from analysis.errors import NothingToShowError
from analysis.figures import theme
from analysis.figures.base import BITS_AXIS, cell_width, inline, label_margin, ordered
from analysis.load import successful
from analysis.stages import checkpoint_name, checkpoints, is_checkpoint
from analysis.tidy import atoms_long, final_layer, in_reading_order, with_series

_COLUMNS: Final = ("series", "dataset", "stage", "checkpoint", "atom_label", "estimate", "low", "high", "sd")
_SHOWN: Final = ("estimate", "low", "high", "sd")
_HEIGHT: Final = 130
# The axis shows the step alone, in thousands from 10 000 on: the stage stands above the panel.
_STEP: Final = "toNumber(slice(datum.label, lastindexof(datum.label, ' ') + 1))"
_STEP_LABEL: Final = f"{_STEP} >= 10000 ? format({_STEP} / 1000, '~g') + 'k' : format({_STEP}, 'd')"


def training(results: pl.DataFrame) -> alt.FacetChart:
    """Atoms in bits at the final layer over training checkpoints, one row of panels per model, one column per dataset.

    Checkpoints are in the order of `analysis.stages`; a vertical line opens each stage and names it. A band is the
    interval over seeds.

    Raises:
        NothingToShowError: no model has two checkpoints.
    """
    frame = in_reading_order(final_layer(with_series(successful(results))).filter(is_checkpoint()))
    frame = frame.with_columns(checkpoint_name())
    frame = frame.filter(pl.col("checkpoint").n_unique().over("series", "dataset") > 1)
    if frame.is_empty():
        raise NothingToShowError("No model has more than one training checkpoint.")
    series, datasets = ordered(frame, "series"), sorted(ordered(frame, "dataset"))
    chart = alt.layer(*_marks(frame), data=inline(atoms_long(frame), _COLUMNS)).properties(
        width=cell_width(len(datasets), label_margin(series)), height=_HEIGHT
    )
    return chart.facet(
        column=alt.Column("dataset:N", title=None, sort=datasets, header=alt.Header(labelPadding=6)),
        row=alt.Row("series:N", title=None, sort=series, header=_row_header()),
    )


def _marks(frame: pl.DataFrame) -> tuple[alt.Chart, ...]:
    points = checkpoints(frame)
    x = alt.X(
        "checkpoint:O",
        axis=alt.Axis(title="training step", labelExpr=_STEP_LABEL, labelAngle=0, labelOverlap="parity", grid=False),
        sort=points["checkpoint"].to_list(),
        scale=alt.Scale(type="band", domain=points["checkpoint"].to_list(), padding=0),
    )
    base = alt.Chart().encode(x=x)
    colour = theme.atom_colour()
    bands = base.mark_area(opacity=0.2).encode(y=alt.Y("low:Q", axis=BITS_AXIS), y2="high:Q", color=colour)
    lines = base.mark_line(strokeWidth=1.8).encode(y=alt.Y("estimate:Q", axis=BITS_AXIS), color=colour)
    dots = base.mark_point(size=22, filled=True, opacity=1).encode(y="estimate:Q", color=colour, tooltip=_tooltip())
    return *_stage_marks(points, x), bands, lines, dots


def _stage_marks(points: pl.DataFrame, x: alt.X) -> tuple[alt.Chart, alt.Chart]:
    """A line before the first checkpoint of each stage and the stage's name beside it, the same in every panel."""
    opening = points.filter(pl.col("opens_stage")).with_columns(pl.col("stage").fill_null(""))
    base = alt.Chart(inline(opening, ["stage", "checkpoint"])).encode(x=x.bandPosition(0))
    lines = base.mark_rule(color=theme.MUTED, strokeDash=[3, 3])
    names = base.mark_text(align="left", baseline="bottom", dx=2, dy=-1, color=theme.MUTED, fontSize=10)
    return lines, names.encode(y=alt.value(0), text="stage:N")


def _tooltip() -> list[alt.Tooltip]:
    text = [alt.Tooltip("series:N", title="model"), alt.Tooltip("dataset:N"), alt.Tooltip("checkpoint:N")]
    numbers = [alt.Tooltip(f"{name}:Q", title=f"{name} (bits)", format=".3f") for name in _SHOWN]
    return [*text, alt.Tooltip("atom_label:N", title="atom"), *numbers]


def _row_header() -> alt.Header:
    return alt.Header(labelAngle=0, labelAlign="left", labelAnchor="middle", labelFontWeight="normal")
