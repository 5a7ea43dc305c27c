"""What became of a dataset's rows, and how its options and right answers are spread."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from pid_lvlm.extract.datasets.item import UNKNOWN, RowCounts, by_reason
from pid_lvlm.extract.datasets.sources.table import BadRow

SHOWN_ROWS: Final = 5


def count_rows(read: int, chosen: int, choices: Iterable[tuple[str, int]], dropped: Sequence[BadRow]) -> RowCounts:
    """Counts of a dataset.

    Args:
        read: rows of the file.
        chosen: those that filters left.
        choices: of each of them whose options can be read, the letters and the label (index, -1 if unknown).
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
    """The same of the rows themselves."""
    return by_reason(Counter(row.reason.value for row in bad))


def dropped_note(dropped: Sequence[BadRow], chosen: int) -> str:
    """One sentence about rows that were left out."""
    numbers = ", ".join(str(row.number) for row in dropped[:SHOWN_ROWS]) + (", …" if len(dropped) > SHOWN_ROWS else "")
    rows = "rows" if len(dropped) > 1 else "row"
    return f"{len(dropped)} of {chosen} rows dropped: {bad_reasons(dropped)} ({rows} {numbers}, counted from 1)"
