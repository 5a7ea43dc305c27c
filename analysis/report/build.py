"""The whole step as one call: result tables in, a report's folder out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pid_lvlm.analysis.frames.load import read_results, unsuccessful
from pid_lvlm.analysis.report.compose import compose, file_names
from pid_lvlm.analysis.report.folder import check_free, write_report
from pid_lvlm.analysis.report.render import render_files
from pid_lvlm.data.command.result import Failure, fit_name


@dataclass(frozen=True)
class Outcome:
    """What was written, or would be, relative to the report's folder; how many problems there are, and which failed.

    Attributes:
        failures: the failed fits and their result codes.
    """

    files: list[str]
    problems: int
    failures: list[Failure]

    @property
    def failed(self) -> int:
        """How many fits failed."""
        return len(self.failures)


def build_report(
    tables: Sequence[Path], out: Path, *, title: str, formats: Sequence[str], dry_run: bool = False
) -> Outcome:
    """Read result tables and write the report, or only find out what it would hold.

    Raises:
        ResultTableError: a table cannot be used.
        OutputExistsError: `out` holds something that is not a report.
        PidError: `out` cannot be written.
    """
    check_free(out)
    results = read_results(*tables)
    parts = compose(results)
    if not dry_run:
        write_report(out, render_files(parts, results, sources=tables, title=title, formats=formats))
    failures = [Failure(fit_name(row), row["result"]) for row in unsuccessful(results).to_dicts()]
    return Outcome(file_names(parts, formats), results.height, failures)
