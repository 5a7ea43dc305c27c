"""How BATCH depends on batch size: the atoms against the size, with the certified optimum."""

import altair as alt
import polars as pl

from pid_lvlm.analysis.figures import theme
from pid_lvlm.analysis.figures.base import BITS_AXIS, atom_column, cell_width, drawable, inline, label_margin, ordered
from pid_lvlm.analysis.figures.sizes import across
from pid_lvlm.analysis.frames.batch_sizes import batch_sizes as rows_by_size
from pid_lvlm.analysis.frames.given import labelled
from pid_lvlm.analysis.frames.labels import LEGEND
from pid_lvlm.data.names import ATOMS

_MOST_MODELS = len(theme.HUES)


def batch_sizes(results: pl.DataFrame) -> alt.FacetChart:
    """A curve of BATCH against batch size for every model, with a dashed line at the certified optimum, in bits.

    Args:
        results: the result table, with rows of several sizes (`pid-estimate --batch-size`).

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no problem was estimated with two sizes.
    """
    found = labelled(rows_by_size(results)).with_columns(pl.col("model").alias("series"))
    models = ordered(found, "series")
    drawn = drawable(found.filter(pl.col("series").is_in(models[:_MOST_MODELS])), "batch_size")
    models, datasets = (ordered(drawn.frame, name) for name in ("series", "dataset"))
    long = pl.concat(
        drawn.frame.select(
            "series",
            "dataset",
            "batch_size",
            pl.lit(LEGEND[atom]).alias("atom_label"),
            pl.col(atom).alias("bits"),
            pl.col(f"{atom}_low").alias("low"),
            pl.col(f"{atom}_high").alias("high"),
            pl.col(f"{atom}_exact").alias("exact"),
        )
        for atom in ATOMS
    ).drop_nulls("bits")
    columns = ["series", "dataset", "batch_size", "atom_label", "bits", "low", "high", "exact"]
    legend = alt.Legend(title=None, orient="top", columns=across(len(models), 150), offset=10)
    ticks = sorted(long["batch_size"].unique())
    base = alt.Chart(inline(long, columns)).encode(
        x=alt.X("batch_size:Q", scale=alt.Scale(type="log", nice=False), axis=_axis(ticks)),
        color=alt.Color(
            "series:N", scale=alt.Scale(domain=models, range=list(theme.HUES[: len(models)])), legend=legend
        ),
    )
    optimum = base.mark_line(strokeDash=[4, 3], strokeWidth=1.5).encode(y=alt.Y("exact:Q", axis=BITS_AXIS))
    band = base.mark_rule(strokeWidth=1.5, opacity=0.6).encode(y=alt.Y("low:Q", axis=BITS_AXIS), y2="high:Q")
    line = base.mark_line(point=alt.OverlayMarkDef(size=30)).encode(
        y=alt.Y("bits:Q", axis=BITS_AXIS),
        tooltip=[
            alt.Tooltip("series:N", title="model"),
            alt.Tooltip("dataset:N"),
            alt.Tooltip("batch_size:Q", title="rows per batch", format=","),
            alt.Tooltip("bits:Q", title="BATCH", format=".4f"),
            alt.Tooltip("exact:Q", title="certified optimum", format=".4f"),
        ],
    )
    width = cell_width(len(ATOMS), label_margin(datasets) + 60)
    beside = alt.Header(labelAngle=0, labelAlign="left", labelAnchor="middle")
    return drawn.say(
        alt.layer(optimum, band, line)
        .properties(width=width, height=110)
        .facet(
            column=atom_column(width),
            row=alt.Row("dataset:N", title=None, sort=datasets, header=beside),
        )
    )


def _axis(ticks: list[int]) -> alt.Axis:
    return alt.Axis(title="rows per batch", values=ticks, format="~d", labelOverlap=True, grid=False)
