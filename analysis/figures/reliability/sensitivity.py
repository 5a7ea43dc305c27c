"""The atoms under every ablation side by side: a row of panels per dataset, a panel per atom."""

from typing import Final

import altair as alt
import polars as pl

from pid_lvlm.analysis.figures import theme
from pid_lvlm.analysis.figures.base import BITS_AXIS, atom_column, cell_width, drawable, inline, label_margin, ordered
from pid_lvlm.analysis.figures.sizes import across
from pid_lvlm.analysis.frames.given import given, labelled
from pid_lvlm.analysis.frames.labels import LEGEND
from pid_lvlm.analysis.frames.sensitivity import compared_values
from pid_lvlm.data.contract.table.results import PROBES
from pid_lvlm.data.names import ATOMS

_SHAPES: Final = ("circle", "diamond", "square", "triangle-up", "cross")
_STEP: Final = 11  # pixels of a line


def sensitivity(results: pl.DataFrame) -> alt.FacetChart:
    """A dot for each ablation of a model, with its 95 % interval, at the final checkpoint and layer, in bits.

    Args:
        results: the result table.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no model was measured under two ablations.
    """
    values = compared_values(labelled(given(results, every_ablation=True)))
    drawn = drawable(values.with_columns(pl.lit(0).alias("layer")), "layer")
    rows, datasets = ordered(drawn.frame, "series"), sorted(ordered(drawn.frame, "dataset"))
    held = [name for name in PROBES if name in drawn.frame["ablation"]]
    long = pl.concat(
        drawn.frame.select(
            "series",
            "dataset",
            "ablation",
            pl.lit(LEGEND[atom]).alias("atom_label"),
            pl.col(atom).alias("bits"),
            pl.col(f"{atom}_low").alias("low"),
            pl.col(f"{atom}_high").alias("high"),
        )
        for atom in ATOMS
    ).drop_nulls("bits")
    base = alt.Chart(inline(long, ["series", "dataset", "ablation", "atom_label", "bits", "low", "high"])).encode(
        y=alt.Y("series:N", sort=rows, title=None, axis=alt.Axis(labelColor=theme.INK, ticks=False, domain=False)),
        yOffset=alt.YOffset("ablation:N", sort=held, scale=alt.Scale(domain=held, paddingOuter=0.5)),
        color=alt.Color("ablation:N", scale=_scale(held, theme.HUES), legend=_legend()),
    )
    lines = base.mark_rule(strokeWidth=1.5, opacity=0.6).encode(x="low:Q", x2="high:Q")
    dots = base.mark_point(filled=True, opacity=1, size=36).encode(
        x=alt.X("bits:Q", axis=BITS_AXIS),
        shape=alt.Shape("ablation:N", scale=_scale(held, _SHAPES), legend=_legend()),
        tooltip=[
            alt.Tooltip("series:N", title="model"),
            alt.Tooltip("dataset:N"),
            alt.Tooltip("ablation:N"),
            alt.Tooltip("bits:Q", format=".3f"),
            alt.Tooltip("low:Q", title="95 % from", format=".3f"),
            alt.Tooltip("high:Q", title="to", format=".3f"),
        ],
    )
    width = cell_width(len(ATOMS), label_margin(rows) + label_margin(datasets))
    chart = alt.layer(lines, dots).properties(width=width, height=alt.Step(_STEP))
    beside = alt.Header(labelAngle=0, labelAlign="left", labelAnchor="middle")
    return drawn.say(
        chart.facet(
            column=atom_column(width),
            row=alt.Row("dataset:N", title=None, sort=datasets, header=beside),
        )
    )


def _legend() -> alt.Legend:
    return alt.Legend(title=None, orient="top", columns=across(len(PROBES), 90), offset=10)


def _scale(held: list[str], values: tuple[str, ...]) -> alt.Scale:
    """The same colour or shape for an ablation in every figure."""
    fixed = dict(zip(PROBES, values, strict=False))
    return alt.Scale(domain=held, range=[fixed[name] for name in held])
