"""Rows of a jsonl, csv, tsv or parquet file as mappings."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from data.errors import Problem
from extract.errors import DatasetError, suggestion

Row = dict[str, Any]


def read_rows(path: Path) -> list[Row]:
    """Every row of a dataset file, in order.

    Raises:
        DatasetError: the file is missing, of an unknown kind, empty, or broken.
    """
    if not path.is_file():
        raise DatasetError(str(path), [Problem(path.name, "there is no such file; check the path")])
    kind = path.suffix.lower()
    if kind not in READERS:
        raise DatasetError(str(path), [Problem(path.name, f"unknown kind `{kind}`; {suggestion(kind, READERS)}")])
    rows = READERS[kind](path)
    if not rows:
        raise DatasetError(str(path), [Problem(path.name, "the file is empty; expected at least one item")])
    return rows


def _read_jsonl(path: Path) -> list[Row]:
    rows = []
    problems = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                problems.append(Problem(path.name, f"is not JSON ({error})", row=number))
                continue
            if isinstance(row, dict):
                rows.append(row)
            else:
                problems.append(Problem(path.name, "expected a JSON object with named fields", row=number))
    if problems:
        raise DatasetError(str(path), problems)
    return rows


def _read_with_polars(reader: str, **options: Any) -> Callable[[Path], list[Row]]:
    def read(path: Path) -> list[Row]:
        import polars as pl

        try:
            rows: list[Row] = getattr(pl, reader)(path, **options).to_dicts()
        except pl.exceptions.NoDataError:
            return []
        except (pl.exceptions.PolarsError, OSError) as error:
            reason = str(error).partition("\n")[0]
            raise DatasetError(str(path), [Problem(path.name, f"cannot be read ({reason})")]) from None
        return rows

    return read


READERS: Final[dict[str, Callable[[Path], list[Row]]]] = {
    ".jsonl": _read_jsonl,
    ".csv": _read_with_polars("read_csv", infer_schema=False),
    ".tsv": _read_with_polars("read_csv", infer_schema=False, separator="\t"),
    ".parquet": _read_with_polars("read_parquet"),
}
