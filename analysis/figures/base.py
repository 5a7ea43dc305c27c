"""What the figures share: inline data, and sizes that stay readable from one run to a hundred."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import altair as alt
import polars as pl
import polars.selectors as cs
from altair.utils.schemapi import debug_mode

from pid_lvlm.analysis.figures import theme
from pid_lvlm.analysis.figures.sizes import current
from pid_lvlm.analysis.frames.labels import LEGEND
from pid_lvlm.data.bounds import FIGURE_DATASETS, FIGURE_FITS, FIGURE_MODELS, FIGURE_POINTS, Bound

Figure = alt.FacetChart | alt.VConcatChart
"""What figure functions return."""
Drawing = TypeVar("Drawing", alt.FacetChart, alt.VConcatChart)

_WIDEST: Final = 330
BETWEEN: Final = 18
"""Pixels between panels."""
_LETTER: Final = 7  # pixels per letter of a heading
_DIGITS: Final = 5


def inline(frame: pl.DataFrame, columns: Sequence[str]) -> alt.InlineData:
    """The named columns as inline data, rounded to 1e-5: a figure carries only what it shows.

    Altair refuses frames of more than 5000 rows; a layer sweep of many models has more.
    """
    finite = pl.when(cs.float().is_finite()).then(cs.float().round(_DIGITS))
    rows = frame.select(columns).with_columns(finite).to_dicts()
    with debug_mode(False):  # otherwise altair checks every value against its schema, which takes seconds
        return _Data(values=rows)


class _Data(alt.InlineData):
    """Inline data shared by charts; altair would copy every value each time it combines charts."""

    def __deepcopy__(self, _memo: object) -> "_Data":
        return self


@dataclass(frozen=True)
class Drawable:
    """The rows that a figure draws, and a note about those it leaves out."""

    frame: pl.DataFrame
    left_out: str = ""

    def say(self, chart: Drawing) -> Drawing:
        """The chart, with the note above it if something is left out."""
        if not self.left_out:
            return chart
        title = alt.TitleParams(
            self.left_out, anchor="start", fontSize=11, fontWeight="normal", color=theme.MUTED, offset=12
        )
        return chart.properties(title=title)


def drawable(frame: pl.DataFrame, place: str, *, every_model: bool = False) -> Drawable:
    """As many rows as one figure can show: the first datasets and models, and evenly spaced points of long curves.

    Args:
        frame: rows in reading order, with `series`.
        place: the column along a curve.
        every_model: draw fewer points per curve rather than leave out models.
    """
    notes = []
    datasets, models = sorted(ordered(frame, "dataset")), ordered(frame, "series")
    if len(datasets) > FIGURE_DATASETS.most:
        frame = frame.filter(pl.col("dataset").is_in(datasets[: FIGURE_DATASETS.most]))
        notes.append(_of(FIGURE_DATASETS, FIGURE_DATASETS.most, len(datasets)))
    if every_model and len(models) > FIGURE_MODELS.most:
        frame = frame.filter(pl.col("series").is_in(models[: FIGURE_MODELS.most]))
    step = -(-frame[place].n_unique() // FIGURE_POINTS.most)
    if every_model:
        step = max(step, -(-frame.height // FIGURE_FITS.most))
    if step > 1:
        # Counted from the last point, which is kept together with the one before it: the last step of a curve is a
        # finding.
        rank = (pl.col(place).rank("dense", descending=True) - 1).over("series", "dataset")
        frame = frame.filter(((rank % step == 0) | (pl.lit(every_model) & (rank == 1))).fill_null(value=True))
        notes.append(f"1 of {step:,} points of a curve")
    kept = ordered(frame, "series") if every_model else _first_models(frame)
    if len(kept) < len(models):
        frame = frame.filter(pl.col("series").is_in(kept))
        notes.append(_of(FIGURE_MODELS, len(kept), len(models)))
    said = f"Drawn here: {', '.join(notes)}. The result table has all of them." if notes else ""
    return Drawable(frame, said)


def _first_models(frame: pl.DataFrame) -> list[str]:
    counts = frame.group_by("series", maintain_order=True).len().head(FIGURE_MODELS.most)
    fits = counts.filter((pl.col("len").cum_sum() <= FIGURE_FITS.most) | (pl.int_range(pl.len()) == 0))
    return fits["series"].to_list()


def _of(bound: Bound, kept: int, total: int) -> str:
    return f"{kept:,} of {total:,} {bound.unit}"


def known(frame: pl.DataFrame, column: str) -> bool:
    """Whether the column has any value; a scale without values would have no range."""
    return frame[column].null_count() < frame.height


def cell_width(columns: int, margin: int, spacing: int = BETWEEN) -> int:
    """Width in pixels of one of `columns` facets side by side, next to row labels `margin` pixels wide."""
    size = current()
    room = (size.pixels - margin) // max(columns, 1) - spacing
    return min(max(room, size.narrowest), _WIDEST)


def label_margin(names: Sequence[str], most: int | None = None) -> int:
    """Approximate width in pixels of the longest name as a label, at most what the theme or `most` allows."""
    return min(_LETTER * max(len(name) for name in names), most or current().label) + 10


def ordered(frame: pl.DataFrame, column: str) -> list[str]:
    """Distinct values of a column in order of occurrence, to set the order of an axis."""
    return frame[column].unique(maintain_order=True).to_list()


def dataset_column(datasets: list[str], width: int) -> alt.Column:
    """One column of panels per dataset, of the given width in pixels and in the given order; long names are broken."""
    room = width + BETWEEN
    fits = _LETTER * max(map(len, datasets)) <= room
    broken: dict[str, Any] = {"labelExpr": "split(datum.label, /[-_ ]/)", "labelLimit": room}
    header = alt.Header(labelPadding=6, **({} if fits else broken))
    return alt.Column("dataset:N", title=None, sort=datasets, header=header)


def atom_column(width: int) -> alt.Column:
    """One column of panels per atom, of the given width in pixels; only its symbol if its name is too long."""
    names = list(LEGEND.values())
    fits = _LETTER * max(map(len, names)) <= width + BETWEEN
    symbol: dict[str, Any] = {"labelExpr": "split(datum.label, ' ')[0]"}
    header = alt.Header(labelPadding=6, **({} if fits else symbol))
    return alt.Column("atom_label:N", title=None, sort=names, header=header)


BITS_AXIS: Final = alt.Axis(title="bits", tickCount=4, format=".3~g")
"""The axis for every information quantity."""
