"""The definition of a benchmark, and its application to the rows of a file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pid_lvlm.data.command.shown import backticked
from pid_lvlm.data.errors import Fault
from pid_lvlm.extract.datasets.errors import DatasetError
from pid_lvlm.extract.datasets.sources.table import Table

Step = Callable[[Table], Table]

FIELDS: Final = ("id", "group", "image", "question", "options", "answer", "hint", "raw")
"""Columns that a benchmark's steps produce for the loader; all except image, question and options are optional."""

ROTATION_FIELDS: Final = ("rotation_of", "rotations")
"""Columns of a benchmark that asks every question several times with reordered options: which question, and its number
of rows."""


@dataclass(frozen=True)
class Benchmark:
    """A benchmark as users download it.

    Attributes:
        name: the name in `--data NAME=FILE` and in tables.
        title: its display name, including the part used.
        source: where the file comes from.
        expected: number of rows of the official file that become items; None if not certain.
        options: numbers of options, for display.
        columns: name used here -> names used in copies of the file. Case, blanks, `_` and `-` do not matter.
        needed: columns that identify the file, by the names used here.
        steps: transformations of the rows, in order. They may use every column by its name here, and produce `FIELDS`.
        pictures: where pictures may be in their folder; see `pid_lvlm.extract.datasets.picture_cells.places`.
        exact_options: keep blanks and line breaks around option texts (code).
        prompt: its template.
        split: part of the benchmark, for the record.
        named_by_file: whether tables show the file's name, since many benchmarks share this form.
    """

    name: str
    title: str
    source: str
    expected: int | None
    options: str
    columns: Mapping[str, Sequence[str]]
    needed: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    pictures: tuple[str, ...] = ("{name}",)
    exact_options: bool = False
    prompt: str = "letters"
    split: str | None = None
    named_by_file: bool = False

    def apply(self, table: Table, others: Sequence["Benchmark"] = (), source: str | None = None) -> Table:
        """Rows with the columns of `FIELDS`; rows that do not fit are `bad`.

        Args:
            table: the file's rows.
            others: benchmarks that the file may belong to instead, for the message.
            source: the file as the user named it; by default the table's name.

        Raises:
            DatasetError: it is a different file, or no row fits.
        """
        if missing := self.missing(table.columns):
            source = source or table.name
            raise DatasetError(source, [Fault(table.name, self._other_file(table, missing, others, source))])
        table = self._renamed(table)
        for step in self.steps:
            table = step(table)
            if not table.rows:
                none = [Fault(table.name, f"no row belongs to {self.title}")]
                raise DatasetError(table.name, [row.fault(table.name) for row in table.bad] or none)
        count = len(table.rows) + len(table.bad)
        if self.expected is not None and count != self.expected:
            table = table.noted(f"{self.name}: {count} rows are used; the official file has {self.expected}")
        return table

    def missing(self, present: Sequence[str]) -> list[str]:
        """Needed columns missing from a file with the columns `present`."""
        found = self._found(present)
        return [name for name in self.needed if name not in found]

    def _found(self, present: Sequence[str]) -> dict[str, str]:
        """Name used here -> name in the file."""
        by_key = {_key(name): name for name in reversed(present)}
        pairs = (
            (name, next((by_key[_key(n)] for n in names if _key(n) in by_key), None))
            for name, names in self.columns.items()
        )
        return {name: found for name, found in pairs if found is not None}

    def _renamed(self, table: Table) -> Table:
        """Keep the file's columns, and add those used here under the names used here."""
        found = self._found(table.columns)
        return replace(
            table,
            rows=tuple(
                (number, {**row, **{name: row.get(old) for name, old in found.items()}}) for number, row in table.rows
            ),
        )

    def _other_file(self, table: Table, missing: Sequence[str], others: Sequence["Benchmark"], source: str) -> str:
        likely = likely_benchmark(table.columns, table.name, others)
        wanted = " or ".join(f"`{name}`" for name in self.columns.get(missing[0], (missing[0],)))
        guess = "" if likely is None else f"; it looks like {likely.title}: --data {likely.name}={source}"
        return (
            f"this is not a file of {self.title}: column {wanted} is missing; found "
            f"{backticked(table.columns)}{guess} (pid-extract --list-datasets shows the others)"
        )


def likely_benchmark(columns: Sequence[str], file: str, benchmarks: Sequence[Benchmark]) -> Benchmark | None:
    """The benchmark that a file probably belongs to.

    Of those whose needed columns it has, the one that needs most; in a tie, the one whose part is in the file's name.
    """

    def fit(benchmark: Benchmark) -> tuple[int, bool]:
        return len(benchmark.needed), benchmark.split is not None and benchmark.split in file.casefold()

    return max((known for known in benchmarks if not known.missing(columns)), key=fit, default=None)


def _key(name: str) -> str:
    return name.strip().casefold().replace("_", "-").replace(" ", "-")
