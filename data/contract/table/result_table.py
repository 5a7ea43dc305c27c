"""The result table as a polars frame: types, and migration of older tables.

The only module of `data` that needs polars; the two steps that share the table have it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from pid_lvlm.data.contract.table.limits import LIMITS, RESULT_WARNINGS, Limit
from pid_lvlm.data.contract.table.results import COLUMNS, RESULT_SCHEMA_VERSION

POLARS_TYPES: Final[Mapping[str, Any]] = {
    "text": pl.String(),
    "int": pl.Int64(),
    "float": pl.Float64(),
    "list": pl.List(pl.Int64()),
}
"""Kind of a column -> its type."""

SCHEMA: Final = {column.name: POLARS_TYPES[column.kind] for column in COLUMNS}


def newest_version(frame: pl.DataFrame) -> int | None:
    """Largest schema version of the rows; None if no row has one."""
    if "schema_version" not in frame.columns or not frame.schema["schema_version"].is_integer():
        return None
    newest = frame["schema_version"].max()
    return newest if isinstance(newest, int) else None


def upgrade(frame: pl.DataFrame) -> pl.DataFrame:
    """Migrate a table of an older version: rename columns and add the newer ones.

    The new columns are empty, except for values known for all older rows (`Column.older`).

    Anything that is not a table of an older version is returned unchanged; its reader reports what is wrong with it.
    """
    version = newest_version(frame)
    if version is None or version >= RESULT_SCHEMA_VERSION:
        return frame
    held = set(frame.columns)
    renamed = {
        former: column.name
        for column in COLUMNS
        for former in column.formerly
        if former in held and column.name not in held
    }
    later = [column for column in COLUMNS if column.since > version and column.name not in held]
    current = pl.lit(RESULT_SCHEMA_VERSION, SCHEMA["schema_version"]).alias("schema_version")
    added = (pl.lit(column.older, SCHEMA[column.name]).alias(column.name) for column in later)
    frame = frame.rename(renamed).with_columns(current, *added)
    return frame.select(list(SCHEMA)) if set(frame.columns) == set(SCHEMA) else frame


def value_of(limit: Limit) -> pl.Expr:
    """The value of a diagnostic in each row."""
    if limit.difference is None:
        return pl.col(limit.diagnostic)
    first, second = limit.difference
    return pl.col(first) - pl.col(second)


def exceeds(limit: Limit) -> pl.Expr:
    """Whether a row is beyond a limit that applies to it; null if its value is unknown."""
    beyond = value_of(limit) < limit.limit if limit.below else value_of(limit) > limit.limit
    if limit.estimator:
        beyond &= pl.col("estimator") == limit.estimator
    if limit.except_result:
        beyond &= pl.col("result") != limit.except_result
    return beyond


def worth_a_warning(limit: Limit) -> pl.Expr:
    """Whether a row is beyond a limit at a layer where that matters."""
    at_output = pl.col("layer") == pl.col("num_layers")
    return exceeds(limit) & at_output if limit.output_only else exceeds(limit)


def limit_warnings(frame: pl.DataFrame) -> list[str]:
    """One sentence for each result that needs care and each limit exceeded: what it means, where, and what to do.

    `pid-estimate` prints them at its end; the report shows them on its page.

    Args:
        frame: rows of usable fits.
    """
    several = frame["estimator"].n_unique() > 1
    said = [
        (each.meaning, frame.filter(pl.col("result") == each.result), each.advice, False) for each in RESULT_WARNINGS
    ]
    said += [
        (each.meaning, frame.filter(worth_a_warning(each)), each.advice, several and not each.estimator)
        for each in LIMITS
    ]
    return [
        f"{meaning}: {places(rows)}{_by(rows) if whose else ''}; {advice}"
        for meaning, rows, advice, whose in said
        if not rows.is_empty()
    ]


def _by(rows: pl.DataFrame) -> str:
    """The estimator of the rows, if all have the same."""
    names = rows["estimator"].unique()
    return f" by {names[0]}" if len(names) == 1 else ""


def places(frame: pl.DataFrame, shown: int = 3) -> str:
    """Runs and their layers, such as `llava (layers 3-5, 8), qwen (layer 28)`; empty without rows."""
    runs = frame.group_by("run", maintain_order=True).agg(pl.col("layer").unique().sort())
    named = [f"{run} ({_layers(layers)})" for run, layers in runs.head(shown).iter_rows()]
    more = f" and {len(runs) - shown} more runs" if len(runs) > shown else ""
    return ", ".join(named) + more


def _layers(numbers: Sequence[int]) -> str:
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1].append(number)
        else:
            ranges.append([number])
    spelled = [str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in ranges]
    return ("layer " if len(numbers) == 1 else "layers ") + ", ".join(spelled)
