"""From a result table to the parts of a report, drawn but not yet rendered, or the reason why a part is missing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl
from altair.utils.schemapi import debug_mode

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.figures.sizes import SIZES, sized
from pid_lvlm.analysis.frames.given import labelled
from pid_lvlm.analysis.frames.influences import Influences
from pid_lvlm.analysis.report.contents import COMPARISONS, PARTS
from pid_lvlm.analysis.report.contents.kinds import FigurePart, TablePart
from pid_lvlm.analysis.report.folder import PAGE
from pid_lvlm.data.bounds import PAGE_ROWS
from pid_lvlm.data.contract.table.results import EXACT

PRINTED: Final = tuple(name for name, size in SIZES.items() if size.millimetres is not None)
"""Sizes of the figure files."""


@dataclass(frozen=True)
class Drawn:
    """A figure with its caption, or the sentence that says why it is missing.

    Attributes:
        specifications: one for each size in `SIZES`; none if there is nothing to show.
    """

    part: FigurePart
    specifications: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    caption: str = ""
    absent: str = ""


@dataclass(frozen=True)
class Tabled:
    """A table with its caption, or the sentence that says why it is missing.

    Attributes:
        frame: the whole table, with names unchanged.
        page: the part that the page shows.
    """

    part: TablePart
    frame: pl.DataFrame | None
    page: pl.DataFrame | None = None
    caption: str = ""
    absent: str = ""


@dataclass(frozen=True)
class Further:
    """The inputs of a report in addition to the result table.

    Attributes:
        losses: the models' training losses, from `read_losses`.
        influences: influence values of the items, from `influences`.
        runs: run folders, or folders of run folders, for the receipts.
    """

    losses: pl.DataFrame | None = None
    influences: Influences | None = None
    runs: tuple[Path, ...] | None = None


NOTHING_FURTHER: Final = Further()


def compose(
    results: pl.DataFrame,
    estimator: str = EXACT,
    compare: str | None = None,
    further: Further = NOTHING_FURTHER,
    each_figure: Callable[[Drawn], object] | None = None,
) -> list[Drawn | Tabled]:
    """Draw every figure and compute every table of the report in page order, leaving out optional ones that are empty.

    Args:
        results: the result table.
        estimator: which estimator to use if a problem has results from several.
        compare: one of `COMPARISONS`, to compare with published numbers.
        further: inputs of some parts in addition to the result table.
        each_figure: called with every figure that has something to show, as soon as it is drawn.
    """
    listed = PARTS if compare is None else (*PARTS, COMPARISONS[compare])
    given = {name: value for name, value in vars(further).items() if value is not None}
    parts: list[Drawn | Tabled] = []
    for part in listed:
        if part.needed and part.takes not in given:
            continue
        if isinstance(part, TablePart):
            parts.append(_tabled(part, results, estimator, given))
            continue
        drawn = _drawn(part, results, estimator, given)
        if each_figure is not None and not drawn.absent:
            each_figure(drawn)
        parts.append(drawn)
    return [each for each in parts if not (each.part.optional and each.absent)]


def file_names(parts: Sequence[Drawn | Tabled], formats: Sequence[str]) -> list[str]:
    """Files of the report relative to its folder: the page, then each figure in each format, then each table."""
    figures = [part.part.name for part in parts if isinstance(part, Drawn) and not part.absent]
    tables = [part.part.name for part in parts if isinstance(part, Tabled) and part.frame is not None]
    return [
        PAGE,
        *(figure_file(name, size, ending) for name in figures for size in PRINTED for ending in formats),
        *(table_file(name) for name in tables),
    ]


def figure_file(name: str, size: str, ending: str) -> str:
    """Path of a figure of one size in the report's folder, such as `figures/spectrum-one-column.pdf`."""
    return f"figures/{name}-{size}.{ending}"


def table_file(name: str) -> str:
    """Path of a table in the report's folder."""
    return f"tables/{name}.csv"


def _drawn(part: FigurePart, results: pl.DataFrame, estimator: str, given: Mapping[str, Any]) -> Drawn:
    specifications = {}
    try:
        for name in SIZES:
            with sized(name), debug_mode(False):  # otherwise altair spends seconds on schema checks
                specifications[name] = part.draw(results, estimator, **_taken(part, given)).to_dict(validate=False)
    except NothingToShowError as nothing:
        return Drawn(part, absent=str(nothing))
    return Drawn(part, specifications, _caption(part, results, estimator, given))


def _tabled(part: TablePart, results: pl.DataFrame, estimator: str, given: Mapping[str, Any]) -> Tabled:
    try:
        arguments = (results, estimator) if part.of_one else (results,)
        frame = part.make(*arguments, **_taken(part, given))
    except NothingToShowError as nothing:
        return Tabled(part, None, absent=str(nothing))
    return Tabled(part, frame, labelled(frame.head(PAGE_ROWS.most)), _caption(part, results, estimator, given))


def _taken(part: FigurePart | TablePart, given: Mapping[str, Any]) -> dict[str, Any]:
    return {part.takes: given[part.takes]} if part.takes in given else {}


def _caption(part: FigurePart | TablePart, results: pl.DataFrame, estimator: str, given: Mapping[str, Any]) -> str:
    taken = part.with_it if part.takes in given else part.without_it
    return " ".join(filter(None, (part.text, part.of_table(results, estimator), taken)))
