"""The file of atoms per item: one row per item of each problem solved by the exact estimator."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import polars as pl

from pid_jax.results.exact_outcome import ExactOutcome
from pid_lvlm.data import OutputExistsError, PidError
from pid_lvlm.data.contract.table.item_table import ITEM_COLUMNS, SINCE_INFLUENCES
from pid_lvlm.data.contract.table.result_checks import TableError
from pid_lvlm.data.contract.table.result_file import read_table, write_frame
from pid_lvlm.data.contract.table.result_table import POLARS_TYPES

SCHEMA: Final = {name: POLARS_TYPES[kind] for name, kind in ITEM_COLUMNS.items()}
"""Columns and types."""


class ItemFile:
    """Rows saved with every chunk, including those of an earlier estimate."""

    def __init__(self, path: Path, keep: bool = True) -> None:
        """Load what is at `path`, if `keep`.

        Raises:
            OutputExistsError: there is a file that is not a file of atoms per item; it is left untouched.
            PidError: the name does not end in `.parquet`.
        """
        if path.suffix != ".parquet":
            wanted = path.with_suffix(".parquet")
            raise PidError(f"--pointwise: the file is written as parquet; expected `{wanted}`, found `{path}`")
        self.path = path
        self._parts: dict[str, pl.DataFrame] = {}
        if path.exists():
            held = _read(path)
            if keep:
                self._parts = {str(name[0]): part for name, part in held.group_by("problem_id", maintain_order=True)}

    @property
    def problems(self) -> frozenset[str]:
        """Ids of the problems whose rows are complete for this version."""
        return frozenset(name for name, part in self._parts.items() if part["gap"].null_count() == 0)

    def add(self, name: str, outcome: ExactOutcome, place: Mapping[str, object]) -> None:
        """Add the items of a problem; `place` has its run, layer and tau."""
        columns = [pl.lit(value, SCHEMA[key]).alias(key) for key, value in {"problem_id": name, **place}.items()]
        self._parts[name] = outcome.item_rows().with_columns(columns).select(list(SCHEMA))

    def write(self) -> None:
        """Write all rows atomically.

        Raises:
            PidError: the file cannot be written.
        """
        write_frame(self.path, pl.concat([pl.DataFrame(schema=SCHEMA), *self._parts.values()]))


def _read(path: Path) -> pl.DataFrame:
    try:
        frame = read_table(path)
    except TableError as error:
        raise OutputExistsError(
            f"--pointwise: `{path}` {error}; it was left unchanged; choose another --pointwise"
        ) from error
    earlier = {name: kind for name, kind in SCHEMA.items() if name not in SINCE_INFLUENCES}
    if dict(frame.schema) == earlier:
        frame = frame.with_columns(pl.lit(None, SCHEMA[name]).alias(name) for name in SINCE_INFLUENCES)
    if dict(frame.schema) != SCHEMA:
        raise OutputExistsError(
            f"--pointwise: `{path}` is not a file of atoms per item; it was left unchanged; choose another --pointwise"
        )
    return frame
