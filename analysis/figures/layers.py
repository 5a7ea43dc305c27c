"""Where in the decoder information arises: the atoms layer by layer, read through the logit lens."""

from typing import Final

import altair as alt
import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.figures.base import drawable
from pid_lvlm.analysis.figures.curves import curves, panels
from pid_lvlm.analysis.frames.estimators import SWEEP, one_estimator
from pid_lvlm.analysis.frames.given import given, labelled
from pid_lvlm.analysis.frames.reshape import final_checkpoint, in_reading_order, reported, with_series
from pid_lvlm.data.contract.results import EXACT

_HEIGHT: Final = 110
_TICKS: Final = 6
_WHOLE: Final = "datum.value == floor(datum.value) ? format(datum.value, 'd') : ''"  # there is no layer 1.5


def layers(results: pl.DataFrame, estimator: str = EXACT) -> alt.FacetChart:
    """Atoms in bits over the decoder's layers, one row of panels per model, one column per dataset.

    It shows the final checkpoints that were measured at more than one layer, by `estimator` where it has as many layers
    of a run as any other. A band is the interval that the column `interval` names.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no run has more than one layer.
    """
    chosen = one_estimator(labelled(given(results)), estimator, SWEEP)
    frame = in_reading_order(reported(final_checkpoint(with_series(chosen))))
    frame = frame.filter(pl.col("layer").n_unique().over("series", "dataset") > 1)
    if frame.is_empty():
        raise NothingToShowError("No run was measured at more than one layer; `pid-extract --layers all` records them.")
    drawn = drawable(frame, "layer")
    frame = drawn.frame
    chart = drawn.say(panels(frame, curves(frame, _layer_channel(frame), "layer"), ["layer"], _HEIGHT))
    if frame["num_layers"].n_unique() > 1:  # a model of 4 layers beside one of 80 would shrink to a corner
        return chart.resolve_scale(x="independent")
    return chart


def _layer_channel(frame: pl.DataFrame) -> alt.X:
    ticks = min(_TICKS, *frame["num_layers"].to_list())
    axis = alt.Axis(title="layer", tickMinStep=1, tickCount=ticks, labelExpr=_WHOLE, grid=False)
    return alt.X("layer:Q", axis=axis, scale=alt.Scale(zero=False, nice=False))
