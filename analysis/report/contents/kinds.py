"""What a part of a report is: a figure or a table, with title, caption and how it is made."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import polars as pl

from pid_lvlm.analysis.figures.base import Figure
from pid_lvlm.analysis.report.laid_out.display import PageTable

Caption = Callable[[pl.DataFrame, str], str]
"""What a table and the estimator that is preferred have for a caption."""


def nothing(_results: pl.DataFrame, _estimator: str) -> str:
    """The caption of a part that says the same about every table."""
    return ""


@dataclass(frozen=True)
class FigurePart:
    """A figure of the report, of one estimator.

    Attributes:
        name: its file name without the extension.
        title: its heading.
        text: its caption, as far as it is the same for every table.
        draw: draws it, from the table, the estimator to prefer and what it `takes`.
        of_table: the rest of its caption.
        optional: whether the report does not say so where the results have nothing for it.
        takes: a further input that it gets by this name where there is one (`losses`, `influences`, `runs`).
        needed: whether there is nothing to show without that input.
        with_it: what its caption adds where there is that input.
        without_it: what its caption adds where there is none.
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
        text: its caption, as far as it is the same for every table.
        make: computes it.
        show: lays it out for the page.
        empty: what is shown if it has no row.
        of_table: the rest of its caption.
        of_one: whether it is of one estimator, which `make` then gets to know.
        optional: as for a figure.
        file_only: whether the page has it in a shorter form, in its last section.
        takes: as for a figure, and the three below.
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


HOLLOW: Final = "Hollow: a value below 0 or beyond a limit of a diagnostic; the tooltip says which."
"""What the captions of figures say of their hollow marks."""
