"""Training losses over the same steps as the atoms of the checkpoints: one panel below those of an overlay."""

from dataclasses import dataclass
from typing import Final

import altair as alt
import polars as pl

from pid_lvlm.analysis.figures import theme
from pid_lvlm.analysis.figures.base import inline
from pid_lvlm.analysis.figures.curves.overlaid import line, row_heading
from pid_lvlm.analysis.figures.sizes import title
from pid_lvlm.data.bounds import FIGURE_FITS, FIGURE_POINTS
from pid_lvlm.data.command.shown import cut

TRAINING_LOSS: Final = "training"
HELD_OUT: Final = "held out"

_LOSS: Final = "loss"
_HEIGHT: Final = 96
_FEWEST: Final = 20  # points per curve, however many curves there are
_CURVE: Final = ("model", "kind")
_NAMED: Final = 3
"""How many models or stages a sentence names."""


@dataclass(frozen=True)
class PlacedLosses:
    """Losses with their positions on the axis of the checkpoints.

    Attributes:
        frame: `series`, `family`, `model`, `kind` (`TRAINING_LOSS` or `HELD_OUT`), `stage`, `step`, `loss` in nats per
            token, `position` on an axis on which the i-th checkpoint is at i + 0.5.
        left_out: sentences about losses that are not drawn.
    """

    frame: pl.DataFrame
    left_out: str = ""


def placed(losses: pl.DataFrame, frame: pl.DataFrame, points: pl.DataFrame) -> PlacedLosses:
    """Losses of the models and stages that a figure draws, at the positions of their steps.

    Positions are linear in steps between neighbouring checkpoints; step 0 of a stage is at the line that opens it. Long
    curves are thinned to evenly spaced points; the last one is kept.

    Args:
        losses: from `read_losses`, with models and stages named as in `frame`.
        frame: the rows of the result table that are drawn, with `series`.
        points: their checkpoints, from `frames.checkpoints.checkpoints`.
    """
    named = frame.select("model", "series", "family").unique("model", keep="first", maintain_order=True)
    ours = losses.join(named, on="model", maintain_order="left")
    drawn = ours.filter(pl.col("stage").is_in(points["stage"].drop_nulls().implode()))
    kinds = ((TRAINING_LOSS, "loss"), (HELD_OUT, "held_out_loss"))
    columns = ("series", "family", "model", "stage", "step")
    long = pl.concat(
        drawn.select(*columns, pl.lit(kind).alias("kind"), pl.col(name).alias("loss")).drop_nulls("loss")
        for kind, name in kinds
    )
    stages = points["stage"].unique(maintain_order=True).drop_nulls().to_list()
    parts = [_positions(long.filter(pl.col("stage") == stage), points, stage) for stage in stages]
    at = pl.concat(parts) if parts else long.with_columns(pl.lit(0.0).alias("position"))
    return PlacedLosses(_thinned(at), _left_out(losses, ours, drawn))


def loss_panel(
    placed_losses: PlacedLosses, points: pl.DataFrame, colour: alt.Color, field: str, width: int
) -> alt.FacetChart:
    """The training loss as lines, the loss on held-out records as points on dashed lines, one colour per model.

    Args:
        placed_losses: what to draw.
        points: the checkpoints of the figure.
        colour: the channel of the models' colours.
        field: its column.
        width: in pixels.
    """
    frame = placed_losses.frame.sort("position", maintain_order=True)
    frame = frame.with_columns(pl.lit(_LOSS).alias("quantity"))
    columns = ("quantity", "series", field, "model", "kind", "stage", "step", "loss", "position")
    data = inline(frame, list(dict.fromkeys(columns)))
    tips = [
        alt.Tooltip("model:N"),
        alt.Tooltip("kind:N", title="records"),
        alt.Tooltip("stage:N"),
        alt.Tooltip("step:Q"),
        alt.Tooltip("loss:Q", title="loss (nats per token)", format=".3f"),
    ]
    y = alt.Y("loss:Q", axis=alt.Axis(title=title("nats per token", "nats"), tickCount=4))
    base = alt.Chart().encode(x=_channel(points), y=y, color=colour, detail=["series:N", "stage:N"], tooltip=tips)
    training = line(base.transform_filter(alt.datum.kind == TRAINING_LOSS), 1.1)
    held_out = base.transform_filter(alt.datum.kind == HELD_OUT)
    layers = [
        *_stage_marks(points),
        training,
        held_out.mark_line(strokeWidth=1, strokeDash=[4, 3]),
        held_out.mark_point(size=26, filled=True, opacity=1, aria=False),
    ]
    chart = alt.layer(*layers, data=data).properties(width=width, height=_HEIGHT)
    return chart.facet(row=row_heading("quantity", [_LOSS]))


def _channel(points: pl.DataFrame) -> alt.X:
    """The axis of the checkpoints as a numeric one, with steps at their positions."""
    steps = points["step"].fill_null(0).to_list()
    labels = [f"{step / 1000:g}k" if step >= 10_000 else f"{step}" for step in steps]
    axis = alt.Axis(
        title=title("training step", "step"),
        values=[place + 0.5 for place in range(len(labels))],
        labelExpr=f"{labels}[floor(datum.value)]",
        labelFontSize=10,
        labelOverlap="parity",
        labelSeparation=4,
        grid=False,
    )
    return alt.X("position:Q", axis=axis, scale=alt.Scale(domain=[0, len(labels)], nice=False, zero=False))


def _stage_marks(points: pl.DataFrame) -> tuple[alt.Chart, alt.Chart]:
    opening = points.with_row_index("position").filter("opens_stage").with_columns(pl.col("stage").fill_null(""))
    base = alt.Chart(inline(opening, ["stage", "position"])).encode(x=_channel(points))
    lines = base.mark_rule(color=theme.MUTED, strokeDash=[3, 3])
    names = base.mark_text(align="left", baseline="bottom", dx=2, dy=-1, color=theme.MUTED, fontSize=10)
    return lines, names.encode(y=alt.value(0), text="stage:N")


def _positions(rows: pl.DataFrame, points: pl.DataFrame, stage: str) -> pl.DataFrame:
    """Rows of a stage at their positions, interpolated between the checkpoints in the figure."""
    own = points.with_row_index("index").filter((pl.col("stage") == stage) & pl.col("step").is_not_null())
    if own.is_empty() or rows.is_empty():
        return rows.clear().with_columns(pl.lit(0.0).alias("position"))
    first, last = own["index"][0], own["index"][-1]
    steps, places = [0, *own["step"]], [float(first), *(index + 0.5 for index in own["index"])]
    most = rows["step"].max()
    if isinstance(most, int) and most > steps[-1]:
        steps, places = [*steps, most], [*places, last + 1.0]
    knots = pl.DataFrame({"from": steps, "place": places}, schema={"from": pl.Int64, "place": pl.Float64})
    knots = knots.unique("from", keep="last", maintain_order=True).with_columns(
        pl.col("from").shift(-1).alias("to"), pl.col("place").shift(-1).alias("next")
    )
    joined = rows.sort("step", maintain_order=True).join_asof(knots, left_on="step", right_on="from")
    share = (pl.col("step") - pl.col("from")) / (pl.col("to") - pl.col("from"))
    position = pl.col("place") + (share * (pl.col("next") - pl.col("place"))).fill_null(0)
    return joined.with_columns(position.alias("position")).drop("from", "to", "place", "next")


def _thinned(frame: pl.DataFrame) -> pl.DataFrame:
    curves = max(frame.select(_CURVE).n_unique(), 1)
    most = max(_FEWEST, min(FIGURE_POINTS.most, FIGURE_FITS.most // curves))
    ordered = frame.sort("position", maintain_order=True)
    back = (pl.int_range(pl.len(), 0, -1) - 1).over(_CURVE)
    every = pl.max_horizontal(1, -(-pl.len().over(_CURVE).cast(pl.Int64) // most))
    return ordered.filter(back % every == 0)


def _left_out(losses: pl.DataFrame, ours: pl.DataFrame, drawn: pl.DataFrame) -> str:
    models = [name for name in losses["model"].unique(maintain_order=True) if name not in set(ours["model"])]
    stages = [name for name in ours["stage"].unique(maintain_order=True) if name not in set(drawn["stage"])]
    parts = [f"of {noun} {_names(names)}" for noun, names in (("model", models), ("stage", stages)) if names]
    return f"Losses {' and '.join(parts)} are not drawn: the figure has no such checkpoint." if parts else ""


def _names(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(cut(name, 40) for name in names[:_NAMED]) + more
