"""When during training information arises: the atoms over checkpoints."""

from dataclasses import replace
from functools import partial
from typing import Final

import altair as alt
import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.figures import theme
from pid_lvlm.analysis.figures.base import Figure, drawable, inline
from pid_lvlm.analysis.figures.curves.losses import loss_panel, placed
from pid_lvlm.analysis.figures.curves.overlaid import Place, overlaid
from pid_lvlm.analysis.figures.curves.panels import curves, panels
from pid_lvlm.analysis.figures.sizes import title
from pid_lvlm.analysis.frames.checkpoints import checkpoint_name, checkpoints, is_checkpoint
from pid_lvlm.analysis.frames.estimators import one_estimator
from pid_lvlm.analysis.frames.given import given, having, labelled
from pid_lvlm.analysis.frames.losses import LOSS_SCHEMA
from pid_lvlm.analysis.frames.reshape import final_layer, in_reading_order, reported, with_series
from pid_lvlm.data.contract.table.results import EXACT

_HEIGHT: Final = 130
# The axis shows only the step, in thousands from 10 000; the stage is written above the panel.
_STEP: Final = "slice(datum.label, lastindexof(datum.label, ' ') + 1)"
_STEP_LABEL: Final = f"toNumber({_STEP}) >= 10000 ? format(toNumber({_STEP}) / 1000, '~g') + 'k' : {_STEP}"


def training(
    results: pl.DataFrame, estimator: str = EXACT, *, overlay: bool = False, losses: pl.DataFrame | None = None
) -> Figure:
    """Atoms in bits at the final layer over training checkpoints: one row of panels per model, or one for all models.

    Checkpoints are ordered by stage, then by step as a number (`frames.checkpoints`). A vertical line marks the start
    of each stage and names it. A band is the interval named by the column `interval`; a point is hollow if the value is
    below 0 or beyond a diagnostic limit; the numbers are those of `estimator` if the table has them. The paper's
    Figures 5, 14 and 15. The training loss comes from `read_losses`; `loss_first` and `loss_last` in the result table
    are losses of BATCH's networks.

    Args:
        results: the result table.
        estimator: which estimator to use if a problem has results from several.
        overlay: draw all models in the same panels, one row of panels per atom and one for accuracy, without bands.
        losses: from `read_losses`; with `overlay`, adds a panel with the training loss as a line and the loss on
            held-out records as points. Checkpoints have the same distances as in the other panels, with steps linear in
            between.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no model has two checkpoints.
        ValueError: there are losses but no overlay.
    """
    if losses is not None and not overlay:
        raise ValueError("`losses` are drawn with `overlay=True`")
    chosen = one_estimator(labelled(given(results)), estimator)
    frame = in_reading_order(reported(final_layer(with_series(chosen))).filter(is_checkpoint()))
    frame = frame.with_columns(checkpoint_name())
    frame = frame.filter(pl.col("checkpoint").n_unique().over("series", "dataset") > 1)
    if frame.is_empty():
        raise NothingToShowError("No model has more than one training checkpoint.")
    drawn = drawable(frame, "step")
    points = checkpoints(drawn.frame)
    x = _checkpoint_channel(points)
    if overlay:
        place = Place(x, "checkpoint", ("checkpoint",), _stage_marks(points, x))
        if losses is None:
            return drawn.say(overlaid(drawn.frame, place, accuracy=True))
        lost = placed(_labelled_losses(losses, results), drawn.frame, points)
        below = None if lost.frame.is_empty() else partial(loss_panel, lost, points)
        said = " ".join(filter(None, (drawn.left_out, lost.left_out)))
        return replace(drawn, left_out=said).say(overlaid(drawn.frame, place, accuracy=True, below=below))
    marks = [*_stage_marks(points, x), *curves(drawn.frame, x, "checkpoint")]
    return drawn.say(panels(drawn.frame, marks, ["checkpoint"], _HEIGHT))


def _labelled_losses(losses: pl.DataFrame, results: pl.DataFrame) -> pl.DataFrame:
    """The losses, with models and stages named as by `labelled` in the result table."""
    losses = having(losses, tuple(LOSS_SCHEMA), "losses")
    table = given(results)
    shown = labelled(table)
    names = {name: dict(zip(table[name], shown[name], strict=True)) for name in ("model", "stage")}
    return losses.with_columns(pl.col(name).replace(known) for name, known in names.items())


def _checkpoint_channel(points: pl.DataFrame) -> alt.X:
    names = points["checkpoint"].to_list()
    return alt.X(
        "checkpoint:O",
        axis=alt.Axis(
            title=title("training step", "step"),
            labelExpr=_STEP_LABEL,
            labelAngle=0,
            labelFontSize=10,
            labelOverlap="parity",
            labelSeparation=4,
            grid=False,
        ),
        sort=names,
        scale=alt.Scale(type="band", domain=names, padding=0),
    )


def _stage_marks(points: pl.DataFrame, x: alt.X) -> tuple[alt.Chart, alt.Chart]:
    """A line before the first checkpoint of each stage, labelled with its name, the same in every panel."""
    opening = points.filter(pl.col("opens_stage")).with_columns(pl.col("stage").fill_null(""))
    base = alt.Chart(inline(opening, ["stage", "checkpoint"])).encode(x=x.bandPosition(0))
    lines = base.mark_rule(color=theme.MUTED, strokeDash=[3, 3])
    names = base.mark_text(align="left", baseline="bottom", dx=2, dy=-1, color=theme.MUTED, fontSize=10)
    return lines, names.encode(y=alt.value(0), text="stage:N")
