"""From a result table to the parts of a report, drawn but not yet rendered: what there is, or why it is absent."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.figures.base import Figure
from pid_lvlm.analysis.frames.given import labelled
from pid_lvlm.analysis.report.contents import COMPARISONS, PARTS, FigurePart, TablePart
from pid_lvlm.analysis.report.folder import PAGE
from pid_lvlm.data.bounds import PAGE_ROWS
from pid_lvlm.data.contract.results import EXACT


@dataclass(frozen=True)
class Drawn:
    """A figure with its caption, or the sentence shown instead of it."""

    part: FigurePart
    chart: Figure | None
    caption: str = ""
    absent: str = ""


@dataclass(frozen=True)
class Tabled:
    """A table with its caption, or the sentence shown instead of it.

    Attributes:
        frame: all of it, with names as they are.
        page: what the page shows of it.
    """

    part: TablePart
    frame: pl.DataFrame | None
    page: pl.DataFrame | None = None
    caption: str = ""
    absent: str = ""


def compose(results: pl.DataFrame, estimator: str = EXACT, compare: str | None = None) -> list[Drawn | Tabled]:
    """Draw every figure and compute every table of the report, in the order of the page; without empty optional ones.

    Args:
        results: the result table.
        estimator: whose numbers to show where a problem has several.
        compare: one of `COMPARISONS`, to set published numbers beside these.
    """
    listed = PARTS if compare is None else (*PARTS, COMPARISONS[compare])
    parts = [
        _drawn(part, results, estimator) if isinstance(part, FigurePart) else _tabled(part, results, estimator)
        for part in listed
    ]
    return [each for each in parts if not (each.part.optional and each.absent)]


def file_names(parts: Sequence[Drawn | Tabled], formats: Sequence[str]) -> list[str]:
    """Files of the report relative to its folder: the page, then each figure in each format, then each table."""
    figures = [part.part.name for part in parts if isinstance(part, Drawn) and part.chart is not None]
    tables = [part.part.name for part in parts if isinstance(part, Tabled) and part.frame is not None]
    return [
        PAGE,
        *(figure_file(name, ending) for name in figures for ending in formats),
        *(table_file(name) for name in tables),
    ]


def figure_file(name: str, ending: str) -> str:
    """Path of a figure in the report's folder."""
    return f"figures/{name}.{ending}"


def table_file(name: str) -> str:
    """Path of a table in the report's folder."""
    return f"tables/{name}.csv"


def _drawn(part: FigurePart, results: pl.DataFrame, estimator: str) -> Drawn:
    try:
        return Drawn(part, part.draw(results, estimator), _caption(part, results, estimator))
    except NothingToShowError as nothing:
        return Drawn(part, None, absent=str(nothing))


def _tabled(part: TablePart, results: pl.DataFrame, estimator: str) -> Tabled:
    try:
        frame = part.make(results, estimator) if part.of_one else part.make(results)
    except NothingToShowError as nothing:
        return Tabled(part, None, absent=str(nothing))
    return Tabled(part, frame, labelled(frame.head(PAGE_ROWS.most)), _caption(part, results, estimator))


def _caption(part: FigurePart | TablePart, results: pl.DataFrame, estimator: str) -> str:
    return " ".join(filter(None, (part.text, part.of_table(results, estimator))))
