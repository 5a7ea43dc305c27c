"""Does synergy need the picture? The accuracy drop without it against synergy, model by model."""

from typing import Any, Final

import altair as alt
import polars as pl

from pid_lvlm.analysis.figures import theme
from pid_lvlm.analysis.figures.base import drawable, inline
from pid_lvlm.analysis.figures.sizes import across
from pid_lvlm.analysis.frames.given import given, labelled
from pid_lvlm.analysis.frames.labels import interval, p_value
from pid_lvlm.analysis.frames.over_models.correlates import correlates
from pid_lvlm.analysis.frames.over_models.models import UNANSWERED, across_models, with_values
from pid_lvlm.analysis.statistics import LEAST, Correlation
from pid_lvlm.data.command.shown import count
from pid_lvlm.data.contract.table.results import EXACT

_COLUMNS: Final = 4  # panels side by side
_SIZE: Final = 215
_MARGIN: Final = 30  # pixels between panels, with an axis
_LEAST_RANGE: Final = 0.05  # bits
_DRAWN: Final = (
    *("dataset", "model", "family", "size_b", "synergy", "drop", "accuracy", "answered", "hollow", "note", "reaches"),
)
_UNANSWERED: Final = f"no option letter in more than {UNANSWERED:.0%} of the rows"


def image_removal(results: pl.DataFrame, estimator: str = EXACT) -> alt.FacetChart:
    """Accuracy with the picture minus accuracy without it (D_vision) against S in bits, one panel per dataset.

    A point is a model; hollow: it did not answer with an option letter in more than half of the rows. S is clipped at
    0. Each panel gives Spearman's rho over all models with its 95 % interval (Fisher's z, variance of Bonett and
    Wright) and its two-sided p, treating models as independent.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no model has an accuracy without the picture, or no model has a known synergy.
    """
    models = across_models(labelled(given(results)), estimator).frame
    notes = {each.dataset: _note(each.correlation) for each in correlates(models, "d_vision", ("synergy",))}
    drawn = drawable(with_values(models, ["d_vision", "synergy"]), "layer")
    frame = drawn.frame.with_columns(
        drop=100 * pl.col("d_vision"),
        answered=pl.col("uniform_both") <= UNANSWERED,
        dataset=pl.col("dataset").cast(pl.String),
        hollow=pl.when(pl.col("uniform_both") > UNANSWERED).then(pl.lit(_UNANSWERED)),
    )
    datasets = frame["dataset"].unique().sort().to_list()
    chart = alt.layer(*_marks(_drops(frame)), data=inline(_with_notes(frame, notes), _DRAWN)).properties(
        width=_SIZE, height=_SIZE
    )
    header = alt.Header(labelPadding=6)
    facet = alt.Facet("dataset:N", title=None, sort=datasets, header=header)
    return drawn.say(
        chart.facet(facet=facet, columns=across(min(_COLUMNS, len(datasets)), _SIZE + _MARGIN)).resolve_scale(
            x="independent"
        )
    )


def _with_notes(frame: pl.DataFrame, notes: dict[str, str]) -> pl.DataFrame:
    """The points, and for each panel a row that holds only its note and the minimum extent of its S axis."""
    names = frame["dataset"].unique().sort()
    rows = [{"dataset": name, "note": notes[name], "reaches": _LEAST_RANGE} for name in names]
    return pl.concat([frame, pl.DataFrame(rows)], how="diagonal")


def _drops(frame: pl.DataFrame) -> alt.Scale:
    """The scale of accuracy drops, with room for the note above the highest point."""
    lowest, highest = min(0.0, *frame["drop"].to_list()), max(1.0, *frame["drop"].to_list())
    return alt.Scale(domain=[lowest, highest + 0.25 * (highest - lowest)], nice=False)


def _note(found: Correlation) -> str:
    number = count(found.count, "model")
    if found.rho is None or found.p is None:
        return f"{number}: {'too few' if found.count < LEAST else 'no ranks'}\nfor a correlation"
    ends = interval(found.low, found.high)
    return f"ρ = {found.rho:.2f} {ends}".strip() + f"\n{p_value(found.p)}, {number}"


def _marks(drops: alt.Scale) -> list[alt.Chart]:
    tooltip = [
        alt.Tooltip("model:N"),
        alt.Tooltip("family:N"),
        alt.Tooltip("size_b:Q", title="size (1e9 parameters)"),
        alt.Tooltip("synergy:Q", title="S (bits)", format=".3f"),
        alt.Tooltip("drop:Q", title="accuracy drop (points)", format=".1f"),
        alt.Tooltip("accuracy:Q", title="accuracy", format=".3f"),
        alt.Tooltip("hollow:N", title="hollow because"),
    ]
    base = alt.Chart()
    of_synergy: dict[str, Any] = {
        "axis": alt.Axis(title="S (bits)", tickCount=4, format="~g"),
        "scale": alt.Scale(zero=True),
    }
    y = alt.Y("drop:Q", axis=alt.Axis(title="accuracy drop without the picture (points)", tickCount=5), scale=drops)
    points = base.mark_point(size=45, opacity=0.9, strokeWidth=1.5, color=theme.COLOURS["synergy"]).encode(
        x=alt.X("synergy:Q", **of_synergy),
        y=y,
        fill=alt.when("datum.answered").then(alt.value(theme.COLOURS["synergy"])).otherwise(alt.value("transparent")),
        tooltip=tooltip,
    )
    notes = (
        alt.Chart()
        .mark_text(align="left", baseline="top", lineBreak="\n", color=theme.MUTED, fontSize=11)
        .encode(x=alt.value(6), y=alt.value(4), text="note:N")
    )
    ends = base.mark_point(opacity=0, aria=False).encode(x=alt.X("reaches:Q", **of_synergy))
    return [points, ends.transform_filter("isValid(datum.note)"), notes.transform_filter("isValid(datum.note)")]
