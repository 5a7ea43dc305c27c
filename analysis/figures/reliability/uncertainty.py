"""What makes the atoms uncertain, and by how much: one row per model, one panel per dataset."""

from typing import Final

import altair as alt
import polars as pl

from pid_lvlm.analysis.figures import theme
from pid_lvlm.analysis.figures.base import cell_width, drawable, inline, label_margin, ordered
from pid_lvlm.analysis.figures.sizes import across, by_dataset, current
from pid_lvlm.analysis.frames import uncertainty
from pid_lvlm.analysis.frames.given import given, labelled

_CAUSES: Final = {
    "certified": "optimisation (certified)",
    "items": "sample of items (95 %)",
    "seeds": "seeds of BATCH (95 %)",
    "reconciliation": "reconciliation of P(Y)",
    "excess": "bias of BATCH (excess)",
}
_SHAPES: Final = ("circle", "diamond", "cross", "square", "triangle-up")
_ROW: Final = 20
_PANEL: Final = 120  # pixels of the narrowest panel with spacing


def uncertainties(results: pl.DataFrame) -> alt.FacetChart:
    """Widths of intervals and ranges in bits, one dot per cause, at the final checkpoint and layer.

    Each is for the atom where it is largest (`tables.uncertainties`). They answer different questions and do not add
    up; the rightmost dot is what limits a statement about the model.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no successful fit at the final layer has an interval.
    """
    table = uncertainty.uncertainties(labelled(given(results)))
    several = table["estimator"].n_unique() > 1
    name = pl.concat_str("model", "estimator", separator=" · ") if several else pl.col("model")
    drawn = drawable(table.with_columns(name.alias("series"), pl.lit(0).alias("layer")), "layer")
    rows, datasets = ordered(drawn.frame, "series"), sorted(ordered(drawn.frame, "dataset"))
    long = (
        drawn.frame.unpivot(list(_CAUSES), index=["series", "dataset"], variable_name="cause", value_name="bits")
        .drop_nulls("bits")
        .with_columns(pl.col("cause").replace_strict(_CAUSES))
    )
    causes = [cause for cause in _CAUSES.values() if cause in long["cause"]]
    limit = current().label * 3 // 2  # the estimator at the end of a name tells two rows apart
    legend = alt.Legend(title=None, orient="top", columns=across(3, 170), offset=10)
    dots = (
        alt.Chart(inline(long, ["series", "dataset", "cause", "bits"]))
        .mark_point(filled=True, opacity=0.9, size=42)
        .encode(
            x=alt.X("bits:Q", axis=alt.Axis(title="width (bits)", tickCount=4, format=".3~g")),
            y=alt.Y(
                "series:N",
                sort=rows,
                title=None,
                axis=alt.Axis(
                    labelColor=theme.INK, ticks=False, domain=False, labelPadding=8, grid=True, labelLimit=limit
                ),
            ),
            color=alt.Color("cause:N", scale=_scale(causes, theme.HUES), legend=legend),
            shape=alt.Shape("cause:N", scale=_scale(causes, _SHAPES), legend=legend),
            tooltip=[
                alt.Tooltip("series:N", title="model"),
                alt.Tooltip("dataset:N"),
                alt.Tooltip("cause:N"),
                alt.Tooltip("bits:Q", title="width (bits)", format=".2~g"),
            ],
        )
        .properties(width=cell_width(across(len(datasets), _PANEL), label_margin(rows, limit)), height=alt.Step(_ROW))
    )
    return drawn.say(by_dataset(dots, datasets, _PANEL))


def _scale(causes: list[str], values: tuple[str, ...]) -> alt.Scale:
    """The same colour or shape for a cause in every figure."""
    fixed = dict(zip(_CAUSES.values(), values, strict=False))
    return alt.Scale(domain=causes, range=[fixed[cause] for cause in causes])
