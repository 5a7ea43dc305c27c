"""Steps that select rows and normalise options and answers. Each function makes one step."""

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from pid_lvlm.data.command.shown import backticked, cut, shown
from pid_lvlm.data.errors import Fault
from pid_lvlm.extract.datasets.answer_options import INDEX, cell_text, is_missing, list_in_text, whole_text
from pid_lvlm.extract.datasets.benchmarks.benchmark import Step
from pid_lvlm.extract.datasets.errors import DatasetError, Reason, RowError
from pid_lvlm.extract.datasets.sources.table import Row, Table

YES: Final = ("yes", "true", "1")
NO: Final = ("no", "false", "0")


def keep(column: str, *values: str, if_present: bool = False) -> Step:
    """Keep only rows with one of `values` in a column, ignoring case; a cell may list values separated by commas.

    With `if_present`, a file without the column is used whole.
    """
    wanted = {value.casefold() for value in values}

    def step(table: Table) -> Table:
        if column not in table.columns:
            if if_present:
                return table
            known = backticked(table.columns)
            raise DatasetError(
                table.name, [Fault(table.name, f"rows are chosen by {backticked([column])}, but it has {known}")]
            )
        kept = table.change(lambda row: row if wanted & set(_parts(row.get(column))) else None)
        if not kept.rows:
            found = sorted({part for _, row in table.rows for part in _parts(row.get(column))})
            wanted_here = " or ".join(map(cut, values[:8]))
            message = f"no row has {wanted_here} in {backticked([column])}; found {', '.join(map(cut, found[:8]))}"
            raise DatasetError(table.name, [Fault(table.name, message)])
        return kept

    return step


def _parts(cell: Any) -> list[str]:
    return [part.strip() for part in cell_text(cell).casefold().split(",")]


def drop(what: str, test: Callable[[Row], bool]) -> Step:
    """Drop the rows for which `test(row)` holds; a note counts them as `what`."""

    def step(table: Table) -> Table:
        kept = table.change(lambda row: None if test(row) else row)
        gone = len(table.rows) - len(kept.rows)
        if not kept.rows:
            raise DatasetError(table.name, [Fault(table.name, f"no row is left: all {gone} are {what}")])
        return kept.noted(f"{gone} rows left out: {what}") if gone else kept

    return step


def lettered_columns(columns: dict[str, str]) -> Step:
    """Set `options` from one column per letter (letter -> column); a missing one leaves its letter unused.

    If the file's format distinguishes missing values from text, the word `nan`, which exports write for missing values,
    is read as empty in a hint and in options at the end.
    """

    def step(table: Table) -> Table:
        cleared = 0

        def collected(row: Row) -> Row:
            nonlocal cleared
            options = {letter: row.get(column) for letter, column in columns.items()}
            if table.typed:
                cleared += _clear_nan(options) + _clear_nan(hint := {"hint": row.get("hint")})
                row = {**row, **hint}
            return {**row, "options": options}

        changed = table.change(collected)
        return changed.noted(f"{cleared} cells contain the word nan and were read as empty") if cleared else changed

    return step


def _clear_nan(cells: dict[str, Any]) -> int:
    """Clear cells at the end that hold the word `nan`; returns their number."""
    count = 0
    for name in reversed(cells):
        if is_missing(cells[name]):
            continue
        if cell_text(cells[name]) != "nan":
            break
        cells[name] = None
        count += 1
    return count


def yes_no(column: str = "answer") -> Step:
    """Set the options Yes (A) and No (B), and an answer that is one of them."""

    def answered(row: Row) -> Row:
        said = cell_text(row.get(column)).casefold()
        if said and said not in YES + NO:
            message = f"the answer {shown(row.get(column))} is neither yes nor no"
            raise RowError(Reason.NO_OPTION, message)
        return {**row, "options": ["Yes", "No"], "answer": {True: "Yes", False: "No"}[said in YES] if said else None}

    return lambda table: table.change(answered)


def index_answers(column: str = "answer") -> Step:
    """Convert an answer that counts options from 0 to a number: as text it could be mistaken for an option's text."""

    def counted(row: Row) -> Row:
        text = whole_text(row.get(column))
        if text and not INDEX.fullmatch(text):
            message = f"the answer {shown(text)} is not an index; expected a number from 0"
            raise RowError(Reason.NO_OPTION, message)
        return {**row, "answer": int(text) if text else None}

    return lambda table: table.change(counted)


def listed_options(column: str = "options") -> Step:
    """Parse a column as a list, even if the file holds it as text."""

    def parsed(row: Row) -> Row:
        cell = row.get(column)
        return {**row, "options": list_in_text(cell) if isinstance(cell, str) else cell}

    return lambda table: table.change(parsed)


def not_named(*words: str) -> Step:
    """Reject a file whose name says that it is another part of the benchmark, if no column can tell."""

    def step(table: Table) -> Table:
        said = next((word for word in words if word in table.name.casefold()), None)
        if said is None:
            return table
        message = (
            f"the file's name says `{said}`, which is another part of this benchmark; name that part, or rename it"
        )
        raise DatasetError(table.name, [Fault(table.name, message)])

    return step


def noted_repeats() -> Step:
    """Add a note about items with the same option twice, which are kept."""

    def step(table: Table) -> Table:
        def repeats(row: Row) -> bool:
            texts = [text for cell in row["options"].values() if (text := cell_text(cell))]
            return max(Counter(texts).values(), default=0) > 1

        count = sum(repeats(row) for _, row in table.rows)
        return table.noted(f"{count} rows offer the same option twice; they are kept") if count else table

    return step
