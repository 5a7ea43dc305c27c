"""Where in the decoder the information arises: atoms layer by layer, read through the logit lens."""

from typing import Final

import altair as alt
import polars as pl

from analysis.errors import NothingToShowError
from analysis.figures import theme
from analysis.figures.base import BITS_AXIS, cell_width, inline, label_margin, ordered
from analysis.load import successful
from analysis.tidy import atoms_long, final_checkpoint, in_reading_order, with_series

_COLUMNS: Final = ("series", "dataset", "layer", "num_layers", "atom_label", "estimate", "low", "high", "sd")
_HEIGHT: Final = 110


def layers(results: pl.DataFrame) -> alt.FacetChart:
    """Atoms in bits over the decoder's layers, one row of panels per model, one column per dataset.

    Shown are the final checkpoints that were measured at more than one layer; a band is the interval over seeds.

    Raises:
        NothingToShowError: no run has more than one layer.
    """
    frame = in_reading_order(successful(final_checkpoint(with_series(results))))
    frame = frame.filter(pl.col("layer").n_unique().over("series", "dataset") > 1)
    if frame.is_empty():
        raise NothingToShowError("No run was measured at more than one layer; `pid-extract --layers all` records them.")
    series, datasets = ordered(frame, "series"), sorted(ordered(frame, "dataset"))
    chart = alt.layer(*_marks(frame), data=inline(atoms_long(frame), _COLUMNS)).properties(
        width=cell_width(len(datasets), label_margin(series)), height=_HEIGHT
    )
    faceted = chart.facet(
        column=alt.Column("dataset:N", title=None, sort=datasets, header=alt.Header(labelPadding=6)),
        row=alt.Row("series:N", title=None, sort=series, header=_row_header()),
    )
    if frame["num_layers"].n_unique() > 1:  # a model of 4 layers beside one of 80 would shrink to a corner
        return faceted.resolve_scale(x="independent")
    return faceted


def _marks(frame: pl.DataFrame) -> tuple[alt.Chart, ...]:
    base = alt.Chart().encode(x=alt.X("layer:Q", axis=_layer_axis(frame), scale=alt.Scale(zero=False, nice=False)))
    colour = theme.atom_colour()
    bands = base.mark_area(opacity=0.2).encode(y=alt.Y("low:Q", axis=BITS_AXIS), y2="high:Q", color=colour)
    tooltip = [
        alt.Tooltip("series:N", title="model"),
        alt.Tooltip("dataset:N"),
        alt.Tooltip("layer:Q"),
        alt.Tooltip("atom_label:N", title="atom"),
        *(alt.Tooltip(f"{name}:Q", title=f"{name} (bits)", format=".3f") for name in ("estimate", "low", "high", "sd")),
    ]
    lines = base.mark_line(strokeWidth=1.8).encode(y=alt.Y("estimate:Q", axis=BITS_AXIS), color=colour)
    points = base.mark_point(size=18, filled=True, opacity=1).encode(y="estimate:Q", color=colour, tooltip=tooltip)
    return bands, lines, points


def _layer_axis(frame: pl.DataFrame) -> alt.Axis:
    deepest = int(frame["num_layers"].max())  # type: ignore[arg-type]  # a column of integers that is not empty
    return alt.Axis(title="layer", tickMinStep=1, tickCount=min(deepest, 6), format="d", grid=False)


def _row_header() -> alt.Header:
    return alt.Header(labelAngle=0, labelAlign="left", labelAnchor="middle", labelFontWeight="normal")
