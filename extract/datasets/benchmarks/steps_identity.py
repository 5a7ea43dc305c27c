"""Steps that determine which rows belong together and which picture they have."""

from collections import Counter
from pathlib import Path
from typing import Any, Final

from pid_lvlm.data.command.shown import cut, shown
from pid_lvlm.extract.datasets.answer_options import INDEX, cell_text, is_missing, whole_text
from pid_lvlm.extract.datasets.benchmarks.benchmark import Step
from pid_lvlm.extract.datasets.errors import Reason, RowError
from pid_lvlm.extract.datasets.sources.table import Row, Table

ROTATION_STEP: Final = 1_000_000
"""MMBench: the j-th circular rotation of a question has the question's index plus j times this."""

REFERENCE_LENGTH: Final = 64
"""MMBench, compact file: a shorter picture cell names the row that holds the picture."""


def resolve_pictures(image: str = "image", index: str = "index") -> Step:
    """Replace references to other rows by those rows' pictures. Must come before any step that drops rows."""

    def step(table: Table) -> Table:
        pictures = {whole_text(row.get(index)): row.get(image) for _, row in table.rows}

        def resolved(row: Row) -> Row:
            cell = row.get(image)
            if not _is_reference(cell):
                return row
            target = pictures.get(whole_text(cell))
            if target is None or _is_reference(target):
                found = "no row has that index" if target is None else "that row itself refers to another"
                this, other = cut(cell_text(row.get(index))), cut(cell_text(cell))
                message = f"row with index {this} takes its picture from index {other}, but {found}"
                raise RowError(Reason.NO_PICTURE, message)
            return {**row, image: target}

        return table.change(resolved)

    return step


def _is_reference(cell: Any) -> bool:
    return isinstance(cell, str) and len(cell) <= REFERENCE_LENGTH and INDEX.fullmatch(cell.strip()) is not None


def rotation_groups(index: str = "index", given: str = "g_index") -> Step:
    """Set `group` to keep all rotations of a question together. Must come before any step that may find a row bad.

    If any question has several rows, `rotation_of` also names the question, even if a user groups rows differently, and
    `rotations` is its number of rows: a score over all rotations must notice a missing one.
    """

    def grouped(row: Row) -> Row:
        question = row.get(given)
        group = str(_index(row, index) % ROTATION_STEP) if is_missing(question) else whole_text(question)
        return {**row, "group": group}

    def step(table: Table) -> Table:
        table = table.change(grouped)
        sizes = Counter(row["group"] for _, row in table.rows)
        if max(sizes.values(), default=1) == 1:
            return table
        return table.change(lambda row: {**row, "rotation_of": row["group"], "rotations": sizes[row["group"]]})

    return step


def only_base_rows(index: str = "index") -> Step:
    """Drop the circular rotations."""
    return lambda table: table.change(lambda row: row if _index(row, index) < ROTATION_STEP else None)


def _index(row: Row, column: str) -> int:
    text = whole_text(row.get(column))
    if not INDEX.fullmatch(text):
        message = f"`{column}` is {shown(text)}, expected a whole number"
        raise RowError(Reason.OTHER_FORM, message)
    return int(text)


def joined(field: str, *columns: str, prefix: str = "") -> Step:
    """Set a field by joining several columns with `-`; omitted if one of them is missing."""

    def added(row: Row) -> Row:
        parts = [whole_text(row.get(column)) for column in columns]
        return {**row, field: "-".join([prefix, *parts] if prefix else parts)} if all(parts) else row

    return lambda table: table.change(added)


def numbered(field: str) -> Step:
    """Append `-2`, `-3`, … to a name from its second row on, if a file gives it to several questions."""

    def step(table: Table) -> Table:
        seen: Counter[str] = Counter()

        def counted(row: Row) -> Row:
            name = cell_text(row.get(field))
            seen[name] += 1
            return {**row, field: f"{name}-{seen[name]}"} if seen[name] > 1 else row

        return table.change(counted)

    return step


def part_before(field: str, column: str, separator: str) -> Step:
    """Set a field to the part of a column before the first `separator`."""
    return lambda table: table.change(lambda row: {**row, field: cell_text(row.get(column)).partition(separator)[0]})


def picture_group(name: str, image: str = "image") -> Step:
    """Set `group` to the picture's name without folder and extension, from a column of names or from its path.

    A picture without a name gets no group here; the loader then uses a hash of its bytes.
    """

    def grouped(row: Row) -> Row:
        cell = row.get(image)
        text = cell_text(row.get(name)) or (cell if isinstance(cell, str) and len(cell) <= REFERENCE_LENGTH else "")
        return {**row, "group": Path(text).stem} if text else row

    return lambda table: table.change(grouped)
