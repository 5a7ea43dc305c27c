"""The parts of a report: figures and tables, each with a title, a caption and the function that makes it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import polars as pl

from pid_lvlm.analysis.figures.base import Figure
from pid_lvlm.analysis.report.laid_out.display import PageTable

Caption = Callable[[pl.DataFrame, str], str]
"""Makes a caption from a result table and the preferred estimator."""


def nothing(_results: pl.DataFrame, _estimator: str) -> str:
    """The caption of a part whose caption is the same for every table."""
    return ""


@dataclass(frozen=True)
class FigurePart:
    """A figure of the report, from one estimator.

    Attributes:
        name: its file name without the extension.
        title: its heading.
        text: the part of its caption that is the same for every table.
        draw: draws it from the table, the preferred estimator and what it `takes`.
        of_table: the rest of its caption.
        optional: whether to leave it out without a word if the results have nothing for it.
        takes: name of a further input that it gets if there is one (`losses`, `influences`, `runs`).
        needed: whether it needs that input to show anything.
        with_it: added to its caption if there is that input.
        without_it: added to its caption if there is none.
    """

    name: str
    title: str
    text: str
    draw: Callable[..., Figure]
    of_table: Caption = nothing
    optional: bool = False
    takes: str = ""
    needed: bool = False
    with_it: str = ""
    without_it: str = ""


@dataclass(frozen=True)
class TablePart:
    """A table of the report.

    Attributes:
        name: its file name without the extension.
        title: its heading.
        text: the part of its caption that is the same for every table.
        make: computes it.
        show: lays it out for the page.
        empty: what is shown if it has no rows.
        of_table: the rest of its caption.
        of_one: whether it shows one estimator, which `make` then takes.
        optional: as for a figure.
        file_only: whether the page shows only a shorter form, in its last section.
        takes: as for a figure, like the three below.
        needed: as for a figure.
        with_it: as for a figure.
        without_it: as for a figure.
    """

    name: str
    title: str
    text: str
    make: Callable[..., pl.DataFrame]
    show: Callable[[pl.DataFrame], PageTable]
    empty: str = "None."
    of_table: Caption = nothing
    of_one: bool = False
    optional: bool = False
    file_only: bool = False
    takes: str = ""
    needed: bool = False
    with_it: str = ""
    without_it: str = ""


HOLLOW: Final = "Hollow: a value below 0 or beyond a diagnostic limit; the tooltip says which."
"""What captions of figures say about hollow marks."""
