"""The information spectrum: four atoms of every model on every dataset."""

from typing import Final

import altair as alt
import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.figures import theme
from pid_lvlm.analysis.figures.base import (
    BITS_AXIS,
    cell_width,
    dataset_column,
    drawable,
    inline,
    known,
    label_margin,
    ordered,
)
from pid_lvlm.analysis.frames.given import given, labelled
from pid_lvlm.analysis.frames.labels import LEGEND
from pid_lvlm.analysis.frames.reshape import atoms_long, finals
from pid_lvlm.data.contract.results import EXACT

_NUMBERS: Final = {
    "raw": "bits",
    "estimate": "bits, cut at 0",
    "corrected": "corrected for the number of items (bits)",
    "low": "interval from (bits)",
    "high": "interval to (bits)",
    "certified_low": "certified from (bits)",
    "certified_high": "certified to (bits)",
    "sd": "sd over seeds (bits)",
    "share": "share of the total",
    "ground_truth": "ground truth (bits)",
    "i_joint": "total I(X1,X2;Y) (bits)",
    "accuracy": "accuracy",
}
_THICK, _THIN = 13, 8
_MANY_SERIES: Final = 4


def spectrum(results: pl.DataFrame, estimator: str = EXACT) -> alt.FacetChart:
    """Bars of the four atoms in bits, one group per model, one panel per dataset.

    It shows the final layer of the final checkpoint, by `estimator` where the table has its rows. A thin line is the
    interval that the column `interval` names, a dot on it the corrected estimate, a black tick the ground truth where
    it is known and not 0. Bars are drawn before the cut at 0; one to the left of 0 is estimation error. An atom that is
    not reported has no bar.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no fit succeeded at the final layer of a model.
    """
    drawn = drawable(finals(labelled(given(results)), estimator), "layer")
    final = drawn.frame
    if final.is_empty():
        raise NothingToShowError("No fit succeeded at the final layer of a model.")
    series, datasets = ordered(final, "series"), sorted(ordered(final, "dataset"))
    band = _THIN if len(series) > _MANY_SERIES else _THICK
    long = atoms_long(final).filter(pl.col("raw").is_not_null())
    data = inline(long, ["series", "dataset", "atom_label", *_shown(long)])
    chart = alt.layer(*_marks(long, series, band), data=data).properties(
        width=cell_width(len(datasets), label_margin(series)),
        height=len(series) * 6 * band,
    )
    return drawn.say(chart.facet(column=dataset_column(datasets)))


def _marks(long: pl.DataFrame, series: list[str], band: int) -> list[alt.Chart]:
    gap = 1 / 3  # of a series' six bands, two stay empty
    base = alt.Chart().encode(
        y=alt.Y(
            "series:N",
            sort=series,
            title=None,
            axis=alt.Axis(labelColor=theme.INK, ticks=False, domain=False, labelPadding=8),
            scale=alt.Scale(paddingInner=gap, paddingOuter=gap / 2),
        ),
        yOffset=alt.YOffset("atom_label:N", sort=list(LEGEND.values())),
    )
    x = alt.X("raw:Q", axis=BITS_AXIS)
    marks = [base.mark_bar().encode(x=x, color=theme.atom_colour(), tooltip=_tooltip(_shown(long)))]
    if known(long, "low"):
        intervals = base.mark_rule(color=theme.INK, strokeWidth=1.2).encode(
            x=alt.X("low:Q", axis=BITS_AXIS), x2="high:Q"
        )
        marks.append(intervals.transform_filter("isValid(datum.low) && isValid(datum.high)"))
    if known(long, "corrected"):
        dots = base.mark_point(color=theme.INK, filled=True, opacity=1, size=14).encode(x="corrected:Q")
        marks.append(dots.transform_filter("isValid(datum.corrected)"))
    if known(long, "ground_truth"):
        ground_truth = base.mark_tick(color="black", thickness=2.5, size=band).encode(x="ground_truth:Q")
        marks.append(ground_truth.transform_filter("datum.ground_truth > 0"))  # a tick at 0 would only thicken the axis
    return marks


def _shown(long: pl.DataFrame) -> list[str]:
    return [name for name in _NUMBERS if name == "raw" or known(long, name)]


def _tooltip(shown: list[str]) -> list[alt.Tooltip]:
    text = [
        alt.Tooltip("series:N", title="model"),
        alt.Tooltip("dataset:N"),
        alt.Tooltip("atom_label:N", title="atom"),
    ]
    return text + [
        alt.Tooltip(f"{name}:Q", title=title, format=".3f") for name, title in _NUMBERS.items() if name in shown
    ]
