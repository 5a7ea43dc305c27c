"""The result file: extends an earlier result table, refuses any other file, and writes atomically."""

from pathlib import Path
from typing import Any, TypeAlias

import polars as pl

from pid_jax.results.rows import make_table
from pid_jax.results.solution import Result
from pid_jax.setting import spell
from pid_lvlm.data import OutputExistsError, PidError
from pid_lvlm.data.command.part import part_tables
from pid_lvlm.data.contract.table.result_checks import TableError, checked_table, unknown_columns
from pid_lvlm.data.contract.table.result_file import read_table, write_frame

Rows: TypeAlias = dict[str, dict[str, Any]]
"""Rows of a table by problem id."""


def check_out(path: Path) -> None:
    """Refuse a result table that would not be a parquet file.

    Raises:
        OutputExistsError: the path is a folder.
        PidError: its name does not end in `.parquet`.
    """
    try:
        path.name.encode()
        is_folder = path.is_dir()
    except UnicodeEncodeError:
        raise PidError("--out: the name is not text in UTF-8; choose another") from None
    except OSError as error:
        raise PidError(f"--out: cannot write {spell(str(path))}: {error.strerror}; choose another") from None
    if is_folder:
        raise OutputExistsError(f"--out: `{path}` is a folder; expected a file such as `{path / 'results.parquet'}`")
    if path.suffix != ".parquet":
        raise PidError(
            f"--out: the table is written as parquet; expected `{path.with_suffix('.parquet')}`, found `{path}`"
        )


def read_existing(path: Path, refused: bool = False) -> Rows:
    """Rows of an earlier table at `path` by problem id; empty if nothing is there.

    Args:
        path: the table.
        refused: keep rows of runs that could not be used; by default they are tried again.

    Raises:
        OutputExistsError: there is a file that is not a valid result table; it is left untouched.
    """
    if not path.exists():
        return {}
    try:
        raw = read_table(path)
        if extra := unknown_columns(raw.columns):
            raise TableError(f"has the column `{extra[0][:80]}`, which no result table has and which would be lost")
        frame = checked_table(raw)
    except TableError as error:
        raise OutputExistsError(f"--out: `{path}` {error}; it was left unchanged; choose another --out") from error
    if not refused:
        frame = frame.filter(pl.col("result") != Result.INVALID_RUN.label)
    return {row["problem_id"]: row for row in frame.iter_rows(named=True)}


def write_table(path: Path, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Write rows as parquet under a temporary name and rename; returns the table.

    Raises:
        PidError: the file cannot be written.
    """
    frame = make_table(rows)
    write_frame(path, frame)
    return frame


def read_with_parts(out: Path) -> Rows:
    """Rows of `out` and of the part tables next to it, by problem id.

    The parts are read first: a merging process writes `out` before deleting them, so no row is missed.

    Raises:
        OutputExistsError: one of them is not a valid result table.
    """
    parts: Rows = {}
    for path in part_tables(out):
        parts |= read_existing(path)
    return read_existing(out) | parts
