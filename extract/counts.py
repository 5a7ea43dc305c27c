"""What became of a dataset's rows, and how its options and right answers are spread."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from data.names import OPTION_LETTERS
from extract.tables import BadRow

UNKNOWN: Final = "unknown"
SHOWN_ROWS: Final = 5


@dataclass(frozen=True)
class RowCounts:
    """Rows of a dataset file.

    Attributes:
        read: in the file.
        chosen: of them, those that the benchmark's rules and filters are about, bad ones included.
        dropped: bad ones that were left out, by reason.
        options: chosen rows by their number of options.
        answers: chosen rows by the letter of the right option, `unknown` where there is none.
    """

    read: int = 0
    chosen: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    options: Mapping[int, int] = field(default_factory=dict)
    answers: Mapping[str, int] = field(default_factory=dict)

    def describe(self, kept: int) -> dict[str, Any]:
        """What the manifest records; `kept` rows became samples."""
        return {"read": self.read, "chosen": self.chosen, "kept": kept, "dropped": dict(self.dropped)}

    def lines(self, kept: int) -> list[str]:
        """For people: counts, options, answers."""
        dropped = f", {sum(self.dropped.values())} dropped ({by_reason(self.dropped)})" if self.dropped else ""
        options = ", ".join(f"{size} in {count} rows" for size, count in sorted(self.options.items()))
        order = [*OPTION_LETTERS, UNKNOWN]
        answers = ", ".join(f"{name} {self.answers[name]}" for name in order if name in self.answers)
        return [
            f"rows        {self.read} read, {self.chosen} chosen{dropped}, {kept} used",
            f"options     {options}",
            f"answers     {answers}",
        ]


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


def by_reason(dropped: Mapping[str, int]) -> str:
    """`3 missing picture, 1 repeated id`."""
    return ", ".join(f"{count} {reason}" for reason, count in dropped.items())


def bad_reasons(bad: Sequence[BadRow]) -> str:
    """The same of the rows themselves."""
    return by_reason(Counter(row.reason.value for row in bad))


def dropped_note(dropped: Sequence[BadRow], chosen: int) -> str:
    """One sentence about rows that were left out."""
    numbers = ", ".join(str(row.number) for row in dropped[:SHOWN_ROWS]) + (", …" if len(dropped) > SHOWN_ROWS else "")
    rows = "rows" if len(dropped) > 1 else "row"
    return f"{len(dropped)} of {chosen} rows dropped: {bad_reasons(dropped)} ({rows} {numbers}, counted from 1)"
