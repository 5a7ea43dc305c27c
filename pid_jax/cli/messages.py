"""What pid-estimate tells people: the plan before, the table after, and which numbers not to trust."""

from collections.abc import Sequence

import polars as pl
from rich.console import Console
from rich.table import Table

from pid_jax.config import EstimatorConfig, FitSettings
from pid_jax.results.solution import ADVICE, Result
from pid_jax.sweep.chunks import Group
from pid_jax.sweep.memory import fit_bytes
from pid_jax.sweep.plan import Plan
from pid_lvlm.data.names import ATOMS

FALLBACK_WARNING = 0.2
MISMATCH_WARNING = 0.05
NEGATIVE_WARNING = -0.05
SPREAD_WARNING = 0.1
RISE_WARNING = 0.01


def print_plan(console: Console, plan: Plan, groups: Sequence[Group], config: EstimatorConfig, kept: int) -> None:
    """Counts, shapes, chunks and memory of what will be fitted; `kept` rows are in the table already."""
    console.print(config.describe(), highlight=False)
    for group in groups:
        shape, pace = group.shape, group.pace
        runs = {problem.run for chunk in group.chunks for problem in chunk.problems}
        working = fit_bytes(shape, FitSettings.of(config)) * pace.side_by_side
        console.print(
            f"{len(runs)} run(s) of widths {shape.d1} and {shape.d2}, {shape.options} options: "
            f"{group.num_problems} problems, {group.num_problems * len(config.seeds)} fits of {shape.steps} steps; "
            f"{len(group.chunks)} chunk(s) of {group.table_bytes() / 2**20:.1f} MiB, "
            f"{pace.side_by_side} fits side by side on each of {pace.devices} device(s) in {working / 2**20:.0f} MiB",
            highlight=False,
        )
    total = sum(group.num_problems for group in groups)
    already = f", {kept} more are there already" if kept else ""
    console.print(
        f"{len(plan.runs)} run(s), {len(groups)} compiled program(s), {total} problems to fit{already}", highlight=False
    )


def print_summary(console: Console, frame: pl.DataFrame, most: int = 40) -> None:
    """Atoms of every run's output layer, in bits."""
    last = frame.filter((pl.col("layer") == pl.col("num_layers")) & pl.col("i_joint").is_not_null())
    several = last.select("pooling", "tau").n_unique() > 1
    table = Table(title="Information at the output, bits; ± is the largest standard deviation over seeds")
    table.add_column("run", overflow="fold")  # the only column that gives way on a narrow screen
    for name in ("R", "U vis", "U lang", "S", "±", "I joint", "acc"):
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
        uniform = frame.filter((pl.col(column) > FALLBACK_WARNING) & (pl.col("layer") == pl.col("num_layers")))
        if hit := _runs(uniform):
            most = uniform.select(pl.col(column).max()).item()
            found.append(
                f"more than {FALLBACK_WARNING:.0%} of the rows, up to {most:.0%}, were made uniform ({column}): {hit}; "
                "the model gives the option letters less than tau: see the prompts with pid-extract --preview"
            )
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
    spread = pl.any_horizontal(pl.col(f"{atom}_sd") > SPREAD_WARNING for atom in ATOMS)
    if hit := _runs(frame.filter(spread)):
        found.append(
            f"seeds disagree by more than {SPREAD_WARNING:g} bits (standard deviation): {hit}; "
            "extract more items or raise --seeds"
        )
    if hit := _runs(frame.filter(pl.col("loss_last") > pl.col("loss_first") + RISE_WARNING)):
        found.append(f"the training loss rose: {hit}; lower --learning-rate or raise --epochs")
    return found


def _runs(frame: pl.DataFrame, shown: int = 3) -> str:
    names = frame["run"].unique(maintain_order=True).to_list()
    more = f" and {len(names) - shown} more runs" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def count_failures(frame: pl.DataFrame) -> int:
    """Rows whose fit failed."""
    return len(frame.filter(pl.col("result") != Result.SUCCESSFUL.label))
