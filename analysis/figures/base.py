"""What the figures share: data handed over inline, and sizes that keep one run and a hundred readable."""

from collections.abc import Sequence
from typing import Final

import altair as alt
import polars as pl
import polars.selectors as cs

_PAGE_WIDTH: Final = 1060
_NARROWEST, _WIDEST = 110, 330
_DIGITS: Final = 5


def inline(frame: pl.DataFrame, columns: Sequence[str]) -> alt.InlineData:
    """The named columns as inline data, rounded to 1e-5: a figure carries what it shows and no more.

    Altair refuses frames of more than 5000 rows; a layer sweep of many models has more.
    """
    slim = frame.select(columns).with_columns(cs.float().round(_DIGITS))
    return alt.InlineData(values=slim.to_dicts())


def known(frame: pl.DataFrame, column: str) -> bool:
    """Whether the column has any value; a scale without values would have no range."""
    return frame[column].null_count() < frame.height


def cell_width(columns: int, margin: int, spacing: int = 18) -> int:
    """Width in pixels of one facet of `columns` side by side, beside row labels `margin` pixels wide."""
    room = (_PAGE_WIDTH - margin) // max(columns, 1) - spacing
    return min(max(room, _NARROWEST), _WIDEST)


def label_margin(names: Sequence[str]) -> int:
    """About how many pixels the longest name takes as a label, within what the theme allows."""
    return min(7 * max(len(name) for name in names) + 10, 240)


def ordered(frame: pl.DataFrame, column: str) -> list[str]:
    """Distinct values of a column in their order of occurrence, as the explicit order of an axis."""
    return frame[column].unique(maintain_order=True).to_list()


def dataset_column(datasets: list[str]) -> alt.Column:
    """One column of panels per dataset, in the given order."""
    return alt.Column("dataset:N", title=None, sort=datasets, header=alt.Header(labelPadding=6))


BITS_AXIS: Final = alt.Axis(title="bits", tickCount=4, format="~g")
"""Axis of every information quantity."""
