"""Figure widths: for a screen, or for one or two journal columns with the same text size in print."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

import altair as alt


@dataclass(frozen=True)
class Size:
    """A width that figures are laid out for.

    Attributes:
        name: its name in options and file names.
        pixels: total width of panels, labels and margins.
        narrowest: minimum panel width in pixels; below it the figure gets wider instead.
        label: maximum pixels for a name next to a panel.
        millimetres: width in print; None for the screen.
    """

    name: str
    pixels: int
    narrowest: int
    label: int
    millimetres: float | None = None


SCREEN: Final = Size("screen", 1060, 110, 230)
TWO_COLUMNS: Final = Size("two-columns", 740, 64, 170, 178.0)
ONE_COLUMN: Final = Size("one-column", 353, 44, 128, 85.0)

SIZES: Final = {size.name: size for size in (SCREEN, TWO_COLUMNS, ONE_COLUMN)}
"""Every size by name, widest first."""

MILLIMETRES: Final = 0.2406
"""Millimetres of a pixel in print: an 11-pixel label is then 7.5 points high."""

_SHORT: Final = 60  # pixels of a panel

_current: ContextVar[Size] = ContextVar("size", default=SCREEN)


def current() -> Size:
    """The size that figures are currently laid out for."""
    return _current.get()


@contextmanager
def sized(name: str) -> Iterator[Size]:
    """Lay out figures for a size, if they are drawn and turned into a specification inside the block.

    Args:
        name: `screen` (the default everywhere), `two-columns` (178 mm) or `one-column` (85 mm).

    Raises:
        ValueError: there is no such size.

    Example:
        >>> from pid_lvlm.analysis.figures import sized
        >>> with sized("one-column") as size:
        ...     size.millimetres
        85.0
    """
    if name not in SIZES:
        raise ValueError(f"size {name!r} is not known; expected one of {', '.join(SIZES)}")
    token = _current.set(SIZES[name])
    try:
        yield SIZES[name]
    finally:
        _current.reset(token)


def title(whole: str, short: str) -> str:
    """An axis title that fits under the narrowest panels."""
    return whole if current().narrowest > _SHORT else short


def across(most: int, panel: int) -> int:
    """How many panels of about the given width fit side by side, at least one and at most `most`."""
    return max(1, min(most, current().pixels // panel))


def by_dataset(chart: alt.LayerChart | alt.Chart, datasets: list[str], panel: int, spacing: int = 18) -> alt.FacetChart:
    """One panel per dataset, side by side, wrapped into rows if the size is too narrow.

    Args:
        chart: a panel; its data must have the column `dataset`.
        datasets: their order.
        panel: approximate width of a panel in pixels, with everything next to it.
        spacing: pixels between panels.
    """
    header = alt.Header(labelPadding=6)
    columns = across(len(datasets), panel)
    if columns == len(datasets) or current().millimetres is None:
        return chart.facet(column=alt.Column("dataset:N", title=None, sort=datasets, header=header), spacing=spacing)
    return chart.facet(
        facet=alt.Facet("dataset:N", title=None, sort=datasets, header=header), columns=columns, spacing=spacing
    )
