"""Counts a dataset's rows, the distribution of its options and right answers, and whether there are enough rows."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from pid_lvlm.data.contract.sample_size import describe_rows_needed, rows_needed
from pid_lvlm.extract.datasets.item import UNKNOWN, RowCounts, by_reason
from pid_lvlm.extract.datasets.sources.table import BadRow

SHOWN_ROWS: Final = 5


def count_rows(read: int, chosen: int, choices: Iterable[tuple[str, int]], dropped: Sequence[BadRow]) -> RowCounts:
    """Counts of a dataset.

    Args:
        read: rows of the file.
        chosen: those left by the filters.
        choices: letters and label (index, -1 if unknown) of each chosen row with readable options.
        dropped: bad rows that were left out of the items.
    """
    options: Counter[int] = Counter()
    answers: Counter[str] = Counter()
    for letters, label in choices:
        options[len(letters)] += 1
        answers[letters[label] if label >= 0 else UNKNOWN] += 1
    reasons = Counter(row.reason.value for row in dropped)
    return RowCounts(read, chosen, dict(reasons), dict(options), dict(answers))


def bad_reasons(bad: Sequence[BadRow]) -> str:
    """The reasons of bad rows, with counts."""
    return by_reason(Counter(row.reason.value for row in bad))


def dropped_note(dropped: Sequence[BadRow], chosen: int) -> str:
    """One sentence about the rows left out."""
    numbers = ", ".join(str(row.number) for row in dropped[:SHOWN_ROWS]) + (", …" if len(dropped) > SHOWN_ROWS else "")
    rows = "rows" if len(dropped) > 1 else "row"
    return f"{len(dropped)} of {chosen} rows dropped: {bad_reasons(dropped)} ({rows} {numbers}, counted from 1)"


def few_rows_note(rows: int) -> str | None:
    """A sentence if a run with this many rows is too small for pid-estimate; None if it is large enough.

    Example:
        >>> few_rows_note(200)[:58]
        '200 rows are too few: the estimate needs at least 342 rows'
        >>> few_rows_note(342) is None
        True
    """
    if rows >= rows_needed():
        return None
    needed = describe_rows_needed()
    return f"1 row is too few: {needed}" if rows == 1 else f"{rows:,} rows are too few: {needed}"


def describe_enough_rows(rows: int) -> str:
    """Whether this many rows are enough for pid-estimate with its presets, for the plan of a run."""
    paper = rows_needed(drop_incomplete=True)
    few = few_rows_note(rows)
    enough = f"{rows} rows are enough" + ("" if rows >= paper else f"; --preset paper needs at least {paper}")
    return few if few is not None else enough
