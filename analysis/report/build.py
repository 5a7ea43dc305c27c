"""The whole step as one call: result tables in, report folder out."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pid_lvlm.analysis.frames.load import failed_fits, read_results
from pid_lvlm.analysis.frames.memory import remembering
from pid_lvlm.analysis.report.compose import Drawn, Tabled, compose, file_names
from pid_lvlm.analysis.report.draw import start_javascript
from pid_lvlm.analysis.report.folder import check_free, write_report
from pid_lvlm.analysis.report.render import LIBRARY, render_files
from pid_lvlm.analysis.report.terminal import summary_text
from pid_lvlm.data.command.result import Failure, fit_name
from pid_lvlm.data.contract.results import EXACT
from pid_lvlm.data.locks import locked


@dataclass(frozen=True)
class Outcome:
    """Files written, or to be written, relative to the report's folder; rows read, and the failed fits among them.

    Attributes:
        failures: the failed fits and their result codes.
        comparison: rows of published numbers beside these; None if none was asked for.
        summary: the headline table as text; None if none was asked for.
    """

    files: list[str]
    problems: int
    failures: list[Failure]
    comparison: list[dict[str, Any]] | None = None
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
    summary: str | None = None,
    dry_run: bool = False,
) -> Outcome:
    """Read result tables and write the report, or only find out which files it would have.

    Args:
        tables: files of `pid-estimate`.
        out: folder of the report.
        title: of the page.
        formats: of the figure files: `svg`, `png`, `pdf`.
        estimator: whose numbers to show where a problem has several.
        compare: `paper`, to set the paper's numbers beside these.
        summary: `table`, `markdown` or `json`, to have the headline table as text.
        dry_run: whether to write nothing.

    Raises:
        ResultTableError: a table cannot be used.
        OutputExistsError: `out` has content that is not a report.
        PidError: `out` cannot be written.
    """
    formats = list(dict.fromkeys(formats))
    check_free(out)
    results = read_results(*tables)
    with nullcontext() if dry_run else locked(out, "pid-report"), remembering():
        if dry_run:
            parts = compose(results, estimator, compare)
        else:
            parts = _write(results, tables, out, title, formats, estimator, compare)
    failed = failed_fits(results).select("run", "layer", "pooling", "estimator", "tau", "result")
    failures = [Failure(fit_name(row), row["result"]) for row in failed.iter_rows(named=True)]
    compared = None if compare is None else _rows(parts[-1])
    text = None if summary is None else summary_text(results, summary, estimator)
    return Outcome(file_names(parts, formats), results.height, failures, compared, text)


def _write(
    results: pl.DataFrame,
    sources: Sequence[Path],
    out: Path,
    title: str,
    formats: Sequence[str],
    estimator: str,
    compare: str | None,
) -> list[Drawn | Tabled]:
    """Write the report; its parts."""
    library = start_javascript(LIBRARY)  # takes seconds, in a process of its own
    try:
        parts = compose(results, estimator, compare)
        files = render_files(
            parts, results, sources=sources, title=title, formats=formats, estimator=estimator, library=library
        )
        write_report(out, files)
    finally:
        library.stop()
    return parts


def _rows(part: Drawn | Tabled) -> list[dict[str, Any]]:
    """All rows of a table; none where it has nothing to show."""
    return part.frame.to_dicts() if isinstance(part, Tabled) and part.frame is not None else []
