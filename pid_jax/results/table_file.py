"""The result file: an earlier result table is extended, any other file refused; writing is atomic."""

import io
from pathlib import Path
from typing import Any

import polars as pl

from pid_jax.results.rows import make_table
from pid_jax.results.solution import Result
from pid_lvlm.data import OutputExistsError, PidError
from pid_lvlm.data.contract.result_table import SCHEMA, upgrade
from pid_lvlm.data.contract.results import RESULT_SCHEMA_VERSION
from pid_lvlm.data.files import write_atomic


def check_out(path: Path) -> None:
    """Refuse a result table that would not be a parquet file.

    Raises:
        OutputExistsError: the path is a folder.
        PidError: its name does not end in `.parquet`.
    """
    if path.is_dir():
        raise OutputExistsError(f"--out: `{path}` is a folder; expected a file such as `{path / 'results.parquet'}`")
    if path.suffix != ".parquet":
        raise PidError(
            f"--out: the table is written as parquet; expected `{path.with_suffix('.parquet')}`, found `{path}`"
        )


def read_existing(path: Path, refused: bool = False) -> dict[str, dict[str, Any]]:
    """Rows of an earlier table at `path` by problem id; empty if nothing is there.

    Args:
        path: the table.
        refused: whether to keep rows of runs that could not be used; by default they are tried again.

    Raises:
        OutputExistsError: there is a file that is not a result table of this version; it is left untouched.
    """
    if not path.exists():
        return {}
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        advice = "choose another --out or delete the file"
        raise OutputExistsError(f"--out: `{path}` exists and is not a parquet file; {advice}") from error
    frame = upgrade(frame)
    if dict(frame.schema) != SCHEMA or set(frame["schema_version"]) - {RESULT_SCHEMA_VERSION}:
        raise OutputExistsError(
            f"--out: `{path}` exists and is not a result table of this version; choose another --out"
        )
    if not refused:
        frame = frame.filter(pl.col("result") != Result.INVALID_RUN.label)
    return {row["problem_id"]: row for row in frame.iter_rows(named=True)}


def write_table(path: Path, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Write rows as parquet under a temporary name and rename; returns the table.

    Raises:
        PidError: the file cannot be written.
    """
    frame = make_table(rows)
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    write_atomic(path, buffer.getvalue())
    return frame


def part_tables(out: Path) -> list[Path]:
    """Tables of parts next to `out`."""
    return sorted(out.parent.glob(f"{out.stem}.part-*-of-*{out.suffix}"))


def read_with_parts(out: Path) -> dict[str, dict[str, Any]]:
    """Rows of `out` and of the part tables next to it, by problem id.

    Raises:
        OutputExistsError: one of them is not a result table of this version.
    """
    rows = read_existing(out)
    for path in part_tables(out):
        rows |= read_existing(path)
    return rows
