"""The information spectrum: four atoms of every model on every dataset."""

from typing import Final

import altair as alt
import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.figures import theme
from pid_lvlm.analysis.figures.base import (
    BITS_AXIS,
    cell_width,
    drawable,
    inline,
    known,
    label_margin,
    ordered,
)
from pid_lvlm.analysis.figures.sizes import across, by_dataset
from pid_lvlm.analysis.frames.given import given, labelled
from pid_lvlm.analysis.frames.labels import LEGEND
from pid_lvlm.analysis.frames.notes import noted_atoms
from pid_lvlm.analysis.frames.reshape import finals
from pid_lvlm.data.contract.table.results import EXACT
from pid_lvlm.data.names import ATOMS

_NUMBERS: Final = {
    "raw": "bits",
    "estimate": "bits, clipped at 0",
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
_NOTE: Final = "note"
_ACCURACY: Final = "accuracy"
FAMILY: Final = "family"
ORDERS: Final = (FAMILY, _ACCURACY, *ATOMS)
"""How the models of a spectrum can be ordered."""

_THICK, _THIN = 13, 8
_MANY_SERIES: Final = 4
_ONE_SCREEN: Final = 12  # models; with more, an axis may be off screen
_SPACING: Final = 18
_PANEL: Final = 110  # pixels of the narrowest panel with spacing
_BESIDE: Final = 44  # pixels for the accuracy


def spectrum(
    results: pl.DataFrame, estimator: str = EXACT, *, order: str = FAMILY, accuracy: bool = True
) -> alt.FacetChart:
    """Bars of the four atoms in bits, one group per model, one panel per dataset, with the accuracy on the side.

    Shows the final layer of the final checkpoint, by `estimator` if the table has its rows. A thin line is the interval
    named by the column `interval`, a dot on it the corrected estimate, a black tick the ground truth if it is known and
    not 0. Bars are drawn before clipping at 0; a bar is hollow if the value is below 0 or beyond a diagnostic limit. An
    atom that is not reported has no bar. Figures with many models have axis and legend at both ends. The paper's
    Figures 8 to 11.

    Args:
        results: the result table.
        estimator: which estimator to use if a problem has results from several.
        order: of the models, from the top: `family` (then by size), or `accuracy` or an atom, largest mean over the
        datasets first. Models without that value come last.
        accuracy: show the accuracy next to each group, in % of the items.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no fit succeeded at the final layer of a model.
        ValueError: `order` is not one of `ORDERS`.
    """
    if order not in ORDERS:
        raise ValueError(f"`order` is {order!r}; expected one of {', '.join(ORDERS)}")
    final = _sorted(finals(labelled(given(results)), estimator), order)
    drawn = drawable(final, "layer")
    final = drawn.frame
    if final.is_empty():
        raise NothingToShowError("No fit succeeded at the final layer of a model.")
    series, datasets = ordered(final, "series"), sorted(ordered(final, "dataset"))
    band = _THIN if len(series) > _MANY_SERIES else _THICK
    long = noted_atoms(final).filter(pl.col("raw").is_not_null())
    if not accuracy:
        long = long.with_columns(pl.lit(None, pl.Float64).alias(_ACCURACY))
    data = inline(long, ["series", "dataset", "atom_label", *_shown(long)])
    beside = _BESIDE if known(long, _ACCURACY) else 0
    margin = label_margin(series)
    side_by_side = across(len(datasets), _PANEL + beside)
    chart = alt.layer(*_marks(long, series, band), data=data).properties(
        width=cell_width(side_by_side, margin, _SPACING + beside),
        height=alt.Step(6 * band, **{"for": "position"}),
    )
    return drawn.say(by_dataset(chart.resolve_axis(x="independent"), datasets, _PANEL + beside, _SPACING))


def _sorted(final: pl.DataFrame, order: str) -> pl.DataFrame:
    if order == FAMILY:
        return final
    mean = pl.col(order).mean().over("series")
    return final.sort(mean, descending=True, nulls_last=True, maintain_order=True)


def _marks(long: pl.DataFrame, series: list[str], band: int) -> list[alt.Chart]:
    gap = 1 / 3  # two of a series' six bands stay empty
    base = alt.Chart().encode(
        y=alt.Y(
            "series:N",
            sort=series,
            title=None,
            axis=alt.Axis(labelColor=theme.INK, ticks=False, domain=False, labelPadding=8),
            scale=alt.Scale(paddingInner=gap, paddingOuter=gap / 2),
        )
    )
    atoms = base.encode(yOffset=alt.YOffset("atom_label:N", sort=list(LEGEND.values())))
    marks = _bars(atoms, _shown(long))
    if known(long, "low"):
        intervals = atoms.mark_rule(color=theme.INK, strokeWidth=1.2).encode(x=_value("low"), x2="high:Q")
        marks.append(intervals.transform_filter("isValid(datum.low) && isValid(datum.high)"))
    if known(long, "corrected"):
        dots = atoms.mark_point(color=theme.INK, filled=True, opacity=1, size=14).encode(x=_value("corrected"))
        marks.append(dots.transform_filter("isValid(datum.corrected)"))
    if known(long, "ground_truth"):
        ticks = atoms.mark_tick(color="black", thickness=2.5, size=band).encode(x=_value("ground_truth"))
        marks.append(ticks.transform_filter("datum.ground_truth > 0"))  # a tick at 0 would only thicken the axis
    if known(long, _ACCURACY):
        marks += _accuracies(base)
    if len(series) > _ONE_SCREEN:
        marks.append(_other_end(atoms))
    return marks


def _bars(atoms: alt.Chart, shown: list[str]) -> list[alt.Chart]:
    """Bars with the axis and legend, hollow if a value has a note."""
    bars = atoms.encode(
        x=alt.X("raw:Q", axis=BITS_AXIS, scale=alt.Scale(nice=False)),
        color=theme.atom_colour(),
        tooltip=_tooltip(shown),
    )
    filled = bars.mark_bar()
    if _NOTE not in shown:
        return [filled]
    hollow = bars.mark_bar(filled=False, fill="transparent", strokeWidth=1.3).encode(x=_value("raw"))
    return [
        filled.transform_filter(f"!isValid(datum.{_NOTE})"),
        hollow.transform_filter(f"isValid(datum.{_NOTE})"),
    ]


def _accuracies(base: alt.Chart) -> list[alt.Chart]:
    """The accuracy of each model, to the right of its bars and under a heading."""
    numbers = base.mark_text(align="right", dx=_BESIDE, fontSize=11, color=theme.MUTED).encode(
        x=alt.value("width"), text=alt.Text(f"max({_ACCURACY}):Q", format=".0%")
    )
    heading = alt.Chart(alt.InlineData(values=[{}])).mark_text(
        align="right", baseline="top", dx=_BESIDE, fontSize=10, color=theme.MUTED
    )
    return [
        numbers.transform_filter(f"isValid(datum.{_ACCURACY})"),
        heading.encode(x=alt.value("width"), y=alt.value(-4), text=alt.value("accuracy")),
    ]


def _other_end(atoms: alt.Chart) -> alt.Chart:
    """Only an axis above the panels and a legend below them."""
    above = BITS_AXIS.copy()
    above.orient, above.grid = "top", False
    legend = alt.Legend(title=None, orient="bottom", columns=across(4, 150), offset=10, symbolStrokeWidth=0)
    colours = theme.atom_colour()
    fill = alt.Fill(colours["shorthand"], scale=colours["scale"], legend=legend)
    return atoms.mark_point(opacity=0, size=0, aria=False).encode(x=alt.X("raw:Q", axis=above), fill=fill)


def _value(name: str) -> alt.X:
    return alt.X(f"{name}:Q", axis=None)


def _shown(long: pl.DataFrame) -> list[str]:
    return [name for name in (*_NUMBERS, _NOTE) if name == "raw" or known(long, name)]


def _tooltip(shown: list[str]) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("series:N", title="model"),
        alt.Tooltip("dataset:N"),
        alt.Tooltip("atom_label:N", title="atom"),
        *(alt.Tooltip(f"{name}:Q", title=title, format=".3f") for name, title in _NUMBERS.items() if name in shown),
        *([alt.Tooltip(f"{_NOTE}:N", title="hollow because")] if _NOTE in shown else []),
    ]
