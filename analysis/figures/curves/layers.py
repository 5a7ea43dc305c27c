"""Where in the decoder information arises: the atoms layer by layer, read through the logit lens."""

from typing import Final

import altair as alt
import polars as pl

from pid_lvlm.analysis.figures.base import Figure, drawable
from pid_lvlm.analysis.figures.curves.overlaid import Place, overlaid
from pid_lvlm.analysis.figures.curves.panels import curves, panels
from pid_lvlm.analysis.figures.sizes import title
from pid_lvlm.analysis.frames.depth import layered
from pid_lvlm.analysis.frames.given import given, labelled
from pid_lvlm.data.contract.table.results import EXACT

_HEIGHT: Final = 110
_ROWS: Final = 40  # rows of panels; up to this, fewer points per curve are better than fewer models
_TICKS: Final = 6
_WHOLE: Final = "datum.value == floor(datum.value) ? format(datum.value, 'd') : ''"  # there is no layer 1.5


def layers(results: pl.DataFrame, estimator: str = EXACT, *, overlay: bool = False, relative: bool = False) -> Figure:
    """Atoms in bits over the decoder's layers: one row of panels per model, or one for all; one column per dataset.

    Shows the final checkpoints that were measured at more than one layer, with `estimator` if it has as many layers of
    a run as any other. A band is the interval named by the column `interval`. A point is hollow if the value is below 0
    or beyond a diagnostic limit. The paper's Figures 4, 12 and 13.

    Args:
        results: the result table.
        estimator: which estimator to use if a problem has results from several.
        overlay: draw all models in the same panels, one row of panels per atom, without bands.
        relative: layers as shares of the model's depth (1 is the output), to compare models of different depth.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no run has more than one layer.
    """
    swept = layered(labelled(given(results)), estimator)
    drawn = drawable(swept, "layer", every_model=overlay or swept["series"].n_unique() <= _ROWS)
    frame = drawn.frame.with_columns((pl.col("layer") / pl.col("num_layers")).alias("depth"))
    x, columns = (_depth_channel(), ("layer", "depth")) if relative else (_layer_channel(frame), ("layer",))
    if overlay:
        return drawn.say(overlaid(frame, Place(x, "layer", columns)))
    chart = drawn.say(panels(frame, curves(frame, x, "layer"), columns, _HEIGHT))
    if not relative and frame["num_layers"].n_unique() > 1:
        return chart.resolve_scale(x="independent")  # or 4 layers would shrink to a corner next to 80
    return chart


def _layer_channel(frame: pl.DataFrame) -> alt.X:
    ticks = min(_TICKS, *frame["num_layers"].to_list())
    axis = alt.Axis(title="layer", tickMinStep=1, tickCount=ticks, labelExpr=_WHOLE, grid=False)
    return alt.X("layer:Q", axis=axis, scale=alt.Scale(zero=False, nice=False))


def _depth_channel() -> alt.X:
    axis = alt.Axis(
        title=title("share of depth", "depth"), values=[0, 0.5, 1], format=".0%", labelFlush=True, grid=False
    )
    return alt.X("depth:Q", axis=axis, scale=alt.Scale(domain=[0, 1]))
