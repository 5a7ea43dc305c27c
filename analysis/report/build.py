"""The whole step as one call, from result tables to a report folder."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from markupsafe import Markup

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.influences import Influences, influences
from pid_lvlm.analysis.frames.items.joined import items
from pid_lvlm.analysis.frames.items.pointwise import read_pointwise
from pid_lvlm.analysis.frames.load import failed_fits, read_results
from pid_lvlm.analysis.frames.losses import check_models, loss_file, read_losses
from pid_lvlm.analysis.frames.memory import remembering
from pid_lvlm.analysis.report.compose import Drawn, Further, Tabled, compose, file_names
from pid_lvlm.analysis.report.folder import check_free, write_report
from pid_lvlm.analysis.report.page.draw import start_javascript
from pid_lvlm.analysis.report.page.items import item_browser, render_browser
from pid_lvlm.analysis.report.page.render import LIBRARY, begin, new_drawing, render_files
from pid_lvlm.analysis.report.terminal import summary_text
from pid_lvlm.data.command.result import Failure, fit_name
from pid_lvlm.data.contract.table.results import EXACT
from pid_lvlm.data.locks import locked


@dataclass(frozen=True)
class Outcome:
    """The files written or to be written, relative to the report's folder; number of rows read; failed fits.

    Attributes:
        failures: the failed fits and their result codes.
        comparison: published numbers next to these, by row; None if not requested.
        items: number of items with atoms; None if not requested.
        items_missing: sentences about what is missing for the items.
        summary: the headline table as text; None if not requested.
    """

    files: list[str]
    problems: int
    failures: list[Failure]
    comparison: list[dict[str, Any]] | None = None
    items: int | None = None
    items_missing: tuple[str, ...] = ()
    summary: str | None = None

    @property
    def failed(self) -> int:
        """How many fits failed."""
        return len(self.failures)


def build_report(
    tables: Sequence[Path],
    out: Path,
    *,
    title: str,
    formats: Sequence[str],
    estimator: str = EXACT,
    compare: str | None = None,
    pointwise: Sequence[Path] = (),
    runs: Sequence[Path] = (),
    most_items: int | None = None,
    losses: Sequence[str | Path] = (),
    summary: str | None = None,
    dry_run: bool = False,
) -> Outcome:
    """Read result tables and write the report, or only list the files it would have.

    Args:
        tables: files written by `pid-estimate`.
        out: folder of the report.
        title: of the page.
        formats: of the figure files: `svg`, `png`, `pdf`.
        estimator: which estimator to use if a problem has results from several.
        compare: `paper` to compare with the paper's numbers.
        pointwise: tables of atoms per item, for the item browser and for paired differences.
        runs: run folders, or folders of run folders, for the receipts and for the items' probabilities and questions.
        most_items: number of items per dataset in the item browser; by default as many as the page can hold.
        losses: files with the models' training losses, as for `read_losses`.
        summary: `table`, `markdown` or `json` for the headline table as text.
        dry_run: write nothing.

    Raises:
        ResultTableError: a table cannot be used.
        ItemTableError: a table of atoms per item cannot be used.
        LossesError: losses cannot be used, or belong to a model that is in no table.
        OutputExistsError: `out` has content that is not a report.
        PidError: `out` cannot be written, or a run folder cannot be used or does not belong to these tables.
    """
    formats = list(dict.fromkeys(formats))
    check_free(out)
    results = read_results(*tables)
    per_item = read_pointwise(*pointwise) if pointwise else None
    further = Further(_losses(losses, results), _influences(results, per_item), tuple(map(Path, runs)) or None)
    found = None if per_item is None else items(results, per_item, runs)
    browser = Markup() if found is None or dry_run else render_browser(item_browser(found, most_items), found)
    with nullcontext() if dry_run else locked(out, "pid-report"), remembering():
        if dry_run:
            parts = compose(results, estimator, compare, further)
        else:
            read = {"result table": tables, "losses": [loss_file(each).path for each in losses]}
            parts = _write(results, further, read, out, title, formats, estimator, compare, browser)
    failed = failed_fits(results).select("run", "layer", "pooling", "estimator", "tau", "result")
    failures = [Failure(fit_name(row), row["result"]) for row in failed.iter_rows(named=True)]
    compared = None if compare is None else _rows(parts[-1])
    text = None if summary is None else summary_text(results, summary, estimator)
    outcome = Outcome(file_names(parts, formats), results.height, failures, compared, summary=text)
    return outcome if found is None else replace(outcome, items=found.frame.height, items_missing=found.missing)


def _write(
    results: pl.DataFrame,
    further: Further,
    sources: Mapping[str, Sequence[Path]],
    out: Path,
    title: str,
    formats: Sequence[str],
    estimator: str,
    compare: str | None,
    browser: Markup,
) -> list[Drawn | Tabled]:
    """Write the report; its parts."""
    library = start_javascript(LIBRARY)  # takes seconds, in its own process
    drawing = new_drawing(formats)
    try:
        parts = compose(results, estimator, compare, further, partial(begin, drawing))
        files = render_files(
            parts,
            results,
            sources=sources,
            title=title,
            formats=formats,
            estimator=estimator,
            drawing=drawing,
            library=library,
            browser=browser,
        )
        write_report(out, files)
    finally:
        library.stop()
        drawing.stop()
    return parts


def _influences(results: pl.DataFrame, pointwise: pl.DataFrame | None) -> Influences | None:
    """None without a table of atoms per item, or if it lacks influence values (written by an earlier version)."""
    if pointwise is None or pointwise["interval"].null_count() == pointwise.height:
        return None
    try:
        return influences(results, pointwise)
    except NothingToShowError:
        return None


def _losses(files: Sequence[str | Path], results: pl.DataFrame) -> pl.DataFrame | None:
    if not files:
        return None
    losses = read_losses(*files)
    check_models(losses, results)
    return losses


def _rows(part: Drawn | Tabled) -> list[dict[str, Any]]:
    """All rows of a table; none if it has nothing to show."""
    return part.frame.to_dicts() if isinstance(part, Tabled) and part.frame is not None else []
