"""What differs on the same items: paired differences of the atoms with their intervals."""

from os import PathLike
from typing import Final

import altair as alt
import polars as pl

from pid_lvlm.analysis.figures import theme
from pid_lvlm.analysis.figures.base import Drawable, atom_column, cell_width, inline, label_margin, ordered
from pid_lvlm.analysis.figures.sizes import across, current, title
from pid_lvlm.analysis.frames import differences as pairs_of
from pid_lvlm.analysis.frames.differences import Between
from pid_lvlm.analysis.frames.given import labelled
from pid_lvlm.analysis.frames.influences import Influences, influences
from pid_lvlm.analysis.frames.labels import LEGEND
from pid_lvlm.data.bounds import FIGURE_DATASETS
from pid_lvlm.data.names import ATOMS

_MOST_PAIRS: Final = 30
_STEP: Final = 15  # pixels per pair, and per further model
_BROKEN: Final = "split(datum.label, /(?= [−→] )/)"
"""A pair in two lines, the second with the sign."""


def differences(
    results: pl.DataFrame,
    pointwise: pl.DataFrame | Influences | str | PathLike[str] | None = None,
    between: Between = "models",
) -> alt.FacetChart:
    """A dot for each paired difference with its 95 % interval over items, in bits; hollow if not significant.

    Args:
        results: the result table.
        pointwise: see `tables.differences`.
        between: `models`, or neighbouring `layers` or `checkpoints`.

    Raises:
        ResultTableError: this is not a result table.
        ItemTableError: this is not a table of atoms per item.
        NothingToShowError: there is no such table, it has no influence values, or there is no pair to compare.
    """
    known = pointwise if isinstance(pointwise, Influences) else influences(results, pointwise)
    found = labelled(pairs_of.differences(results, known, between).frame)
    signs = {"models": "{1} − {0}"}.get(between, "{0} → {1}")
    names = [signs.format(*row) for row in found.select("first", "second").iter_rows()]
    drawn = _drawable(found.with_columns(pl.Series("pair", names, pl.String())))
    frame = drawn.frame.with_columns(
        pl.col("atom").replace_strict(LEGEND).alias("atom_label"), pl.col("model").fill_null("").alias("series")
    )
    pairs, datasets, models = (ordered(frame, name) for name in ("pair", "dataset", "series"))
    field, scale = _scale(models)
    several = alt.Legend(title=None, orient="top", columns=across(len(models), 150), offset=10)
    legend = several if len(models) > 1 else None
    columns = ["pair", "series", "dataset", "atom_label", "difference", "low", "high", "p_holm", "differs"]
    most = 2 * current().label
    breaks = label_margin(pairs, most) > most
    label = {"labelExpr": _BROKEN} if breaks else {"labelLimit": most}
    axis = alt.Axis(title=title("difference in bits", "bits"), tickCount=4, format=".3~g")
    base = alt.Chart(inline(frame.drop_nulls("difference"), columns)).encode(
        y=alt.Y(
            "pair:N", sort=pairs, title=None, axis=alt.Axis(labelColor=theme.INK, ticks=False, domain=False, **label)
        ),
        color=alt.Color(field, scale=scale, legend=legend),
    )
    if len(models) > 1:
        base = base.encode(yOffset=alt.YOffset("series:N", sort=models, scale=alt.Scale(paddingOuter=0.4)))
    nothing = alt.Chart().mark_rule(color=theme.RULE, strokeWidth=1).encode(x=alt.datum(0))
    lines = base.mark_rule(strokeWidth=1.5, opacity=0.7).encode(x=alt.X("low:Q", axis=axis), x2="high:Q")
    dots = base.mark_point(filled=False, opacity=1, size=32, strokeWidth=1.5).encode(
        x=alt.X("difference:Q", axis=axis),
        fill=alt.condition("datum.differs", alt.Fill(field, scale=scale, legend=None), alt.value(theme.PAPER)),
        tooltip=[
            *([alt.Tooltip("series:N", title="model")] if models != [""] else []),
            alt.Tooltip("pair:N", title="difference"),
            alt.Tooltip("dataset:N"),
            alt.Tooltip("atom_label:N", title="atom"),
            alt.Tooltip("difference:Q", title="bits", format="+.4f"),
            alt.Tooltip("low:Q", title="95 % from", format="+.4f"),
            alt.Tooltip("high:Q", title="to", format="+.4f"),
            alt.Tooltip("p_holm:Q", title="p (Holm)", format=".2g"),
        ],
    )
    width = cell_width(len(ATOMS), label_margin(pairs, None if breaks else most) + label_margin(datasets))
    height = alt.Step((2 if breaks else 1) * (_STEP if len(models) == 1 else 9))
    chart = alt.layer(nothing, lines, dots, data=base.data).properties(width=width, height=height)
    beside = alt.Header(labelAngle=0, labelAlign="left", labelAnchor="middle")
    faceted = chart.facet(
        column=atom_column(width),
        row=alt.Row("dataset:N", title=None, sort=datasets, header=beside),
    )
    return drawn.say(faceted)


def _scale(models: list[str]) -> tuple[str, alt.Scale]:
    """What the colour stands for: models, or atoms if there is one model or the pairs are of models."""
    if len(models) > 1:
        return "series:N", alt.Scale(domain=models, range=list(theme.HUES[: len(models)]))
    return "atom_label:N", alt.Scale(
        domain=[LEGEND[atom] for atom in ATOMS], range=[theme.COLOURS[atom] for atom in ATOMS]
    )


def _drawable(frame: pl.DataFrame) -> Drawable:
    """As many rows as one figure can show: the first datasets and models, and the pairs with the smallest p."""
    notes = []
    for column, most, what in (("dataset", FIGURE_DATASETS.most, "datasets"), ("model", len(theme.HUES), "models")):
        names = frame[column].unique(maintain_order=True).to_list()
        if len(names) > most:
            frame = frame.filter(pl.col(column).is_in(names[:most]))
            notes.append(f"{most:,} of {len(names):,} {what}")
    certain = frame.group_by("pair", maintain_order=True).agg(pl.col("p").min())
    kept = certain.filter((pl.col("p").rank("ordinal") <= _MOST_PAIRS).fill_null(value=certain.height <= _MOST_PAIRS))
    if kept.height < certain.height:
        frame = frame.join(kept, on="pair", how="semi", maintain_order="left")
        notes.append(f"the {_MOST_PAIRS} of {certain.height:,} pairs with the smallest p")
    return Drawable(frame, f"Drawn here: {', '.join(notes)}. The table's file has all." if notes else "")
