"""The headline table on a terminal, and the page in a browser."""

import json
import os
import sys
import webbrowser
from pathlib import Path
from typing import Final

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pid_lvlm.analysis import tables
from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.given import labelled
from pid_lvlm.analysis.report.laid_out.display import PageTable, summary_table
from pid_lvlm.data.command.display import displayable
from pid_lvlm.data.contract.table.results import EXACT

_WIDE: Final = 200  # columns if output is not a terminal, so that no number is cut


def summary_text(results: pl.DataFrame, kind: str, estimator: str = EXACT) -> str:
    """The report's first table as text.

    Args:
        results: the result table.
        kind: `table`, `markdown` (both as on the page) or `json` (every column, one object per row).
        estimator: which estimator to use if a problem has results from several.

    Returns:
        The text; if no fit succeeded, a sentence that says so (an empty list in JSON).
    """
    try:
        summary = labelled(tables.summary(results, estimator))
    except NothingToShowError as nothing:
        return "[]" if kind == "json" else str(nothing)
    if kind == "json":
        return json.dumps(summary.to_dicts(), ensure_ascii=False, indent=1)
    page = summary_table(summary)
    return _markdown(page) if kind == "markdown" else _table(page)


def open_page(page: Path) -> str:
    """Open a page in the browser; returns a message if that is not possible, otherwise nothing."""
    sentence = f"no browser can be opened here; open {page} yourself"
    shown = os.environ.keys() & {"DISPLAY", "WAYLAND_DISPLAY", "BROWSER"}
    if sys.platform.startswith("linux") and not shown:  # a text browser would take over the terminal
        return sentence
    try:
        return "" if webbrowser.open(page.resolve().as_uri()) else sentence
    except (webbrowser.Error, OSError):
        return sentence


def _markdown(page: PageTable) -> str:
    def line(cells: list[str]) -> str:
        escaped = [displayable(cell).replace("\\", "\\\\").replace("|", "\\|") for cell in cells]
        return f"| {' | '.join(escaped)} |"

    rules = [":--" if number < page.names else "--:" for number in range(len(page.headings))]
    rows = [line([cell.text for cell in row]) for row in page.rows]
    return "\n".join([line(list(page.headings)), f"|{'|'.join(rules)}|", *rows])


def _table(page: PageTable) -> str:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, heading in enumerate(page.headings):
        table.add_column(Text(heading), justify="left" if number < page.names else "right", no_wrap=True)
    for row in page.rows:
        table.add_row(*(Text(displayable(cell.text), style="bold" if cell.style == "strong" else "") for cell in row))
    console = Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)
    with console.capture() as captured:
        console.print(table)
    return captured.get().rstrip("\n")
