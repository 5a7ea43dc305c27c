"""What pid-estimate tells people: the plan before, the table after, and which numbers not to trust."""

from collections.abc import Sequence

import polars as pl
from rich.console import Console
from rich.table import Table

from data.names import ATOMS
from pid_jax.config import EstimatorConfig
from pid_jax.grouping import group_by_shape
from pid_jax.solution import ADVICE, Result
from pid_jax.workload import Workload

FALLBACK_WARNING = 0.2
MISMATCH_WARNING = 0.05
NEGATIVE_WARNING = -0.05


def print_plan(console: Console, workloads: Sequence[Workload], config: EstimatorConfig) -> None:
    """Counts, shapes and memory of what would be fitted."""
    console.print(config.describe())
    groups = group_by_shape(workloads)
    for members in groups:
        shape = members[0].shape
        problems = sum(len(workload.keys) for workload in members)
        megabytes = sum(
            len(load.run) * (shape.d1 + shape.d2) * 4 * len({key.pooling for key in load.keys})
            + len(load.run) * shape.options * 12 * len(load.rows)
            for load in members
        ) / 2**20  # fmt: skip
        console.print(
            f"{len(members)} run(s) of widths {shape.d1} and {shape.d2}, {shape.options} options: {problems} problems, "
            f"{problems * len(config.seeds)} fits of {shape.steps} steps, {megabytes:.1f} MiB of data"
        )
    total = sum(len(workload.keys) for workload in workloads)
    console.print(f"{len(workloads)} run(s), {len(groups)} compiled program(s), {total} rows in the table")


def print_summary(console: Console, frame: pl.DataFrame, most: int = 40) -> None:
    """Atoms of every run's output layer, in bits."""
    last = frame.filter(pl.col("layer") == pl.col("num_layers"))
    several = last.select("pooling", "tau").n_unique() > 1
    table = Table(title="Information at the output, bits; ± is the largest standard deviation over seeds")
    table.add_column("run", no_wrap=True)
    for name in ("R", "U vision", "U language", "S", "±", "I joint", "accuracy"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in last.head(most).iter_rows(named=True):
        cells = [f"{row[f'{atom}_raw']:.3f}" for atom in ATOMS]
        spread = max((row[f"{atom}_sd"] for atom in ATOMS), key=lambda sd: sd or 0.0)
        accuracy = "" if row["accuracy"] is None else f"{row['accuracy']:.3f}"
        name = f"{row['run']} {row['pooling']} tau {row['tau']:g}" if several else row["run"]
        table.add_row(name, *cells, "" if spread is None else f"{spread:.3f}", f"{row['i_joint']:.3f}", accuracy)
    console.print(table)
    if len(last) > most:
        console.print(f"… and {len(last) - most} more rows in the table")


def warnings_of(frame: pl.DataFrame) -> list[str]:
    """One sentence per reason not to trust some rows."""
    found = []
    for code in ADVICE:
        if hit := _runs(frame.filter(pl.col("result") == code.label)):
            found.append(f"{code.label}: {hit}; {ADVICE[code]}")
    for column in [name for name in frame.columns if name.startswith("uniform_")]:
        if hit := _runs(frame.filter((pl.col(column) > FALLBACK_WARNING) & (pl.col("layer") == pl.col("num_layers")))):
            found.append(f"more than {FALLBACK_WARNING:.0%} of the rows were made uniform ({column}): {hit}")
    if hit := _runs(
        frame.filter((pl.col("marginal_mismatch") > MISMATCH_WARNING) & (pl.col("layer") == pl.col("num_layers")))
    ):
        found.append(
            f"P(Y) differs between the conditions by more than {MISMATCH_WARNING:g}: {hit}; "
            "the decomposition is then only approximate"
        )
    negative = pl.any_horizontal(pl.col(f"{atom}_raw") < NEGATIVE_WARNING for atom in ATOMS)
    if hit := _runs(frame.filter(negative)):
        found.append(f"an atom is below {NEGATIVE_WARNING:g} bits before clipping: {hit}; see the *_raw columns")
    return found


def _runs(frame: pl.DataFrame, shown: int = 3) -> str:
    names = frame["run"].unique(maintain_order=True).to_list()
    more = f" and {len(names) - shown} more runs" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def count_failures(frame: pl.DataFrame) -> int:
    """Rows whose fit failed."""
    return len(frame.filter(pl.col("result") != Result.SUCCESSFUL.label))
