"""What pid-estimate prints: the plan before, the table after, and warnings about numbers."""

from collections.abc import Sequence

import polars as pl
from rich.console import Console
from rich.table import Table

from pid_jax.cli.console import short
from pid_jax.config import BATCH, ESTIMATORS, EstimatorConfig
from pid_jax.problems.ablations import NOT_BATCH
from pid_jax.results.solution import ADVICE
from pid_jax.sweep.plan import Plan
from pid_jax.sweep.protocol import Group
from pid_jax.sweep.registry import SOLVERS
from pid_lvlm.data.command.shown import count
from pid_lvlm.data.contract.sample_size import describe_rows_needed
from pid_lvlm.data.contract.table.result_table import limit_warnings, places
from pid_lvlm.data.contract.table.results import CROSSED, USABLE
from pid_lvlm.data.names import ATOMS


def print_plan(console: Console, plan: Plan, groups: Sequence[Group], config: EstimatorConfig, done: str) -> None:
    """How many problems will be fitted, and how many rows they need; `done` says what is already in the table."""
    console.print(config.describe())
    if BATCH in ESTIMATORS[config.estimator]:
        needed = describe_rows_needed(config.batch_size, config.train_share, config.drop_incomplete)
        smallest = min(len(run.outline) for run in plan.runs)
        console.print(f"{needed}; the smallest run has {smallest}")
    crossed = any(key.ablation == CROSSED for run in plan.runs for key in run.keys)
    if crossed and BATCH in ESTIMATORS[config.estimator]:
        console.print(NOT_BATCH)
    runs = len({run.outline.folder for run in plan.runs})
    fits = sum(group.num_problems * SOLVERS[group.estimator].fits(config) for group in groups)
    problems = sum(group.num_problems for group in groups)
    console.print(
        f"{count(runs, 'run')}, {count(problems, 'problem')} to fit ({count(fits, 'fit')}), {done}", highlight=False
    )


def print_groups(console: Console, groups: Sequence[Group], config: EstimatorConfig) -> None:
    """Shapes, chunks and memory of every group, one line each, and the number of programs to compile."""
    programs = set()
    for group in groups:
        solver = SOLVERS[group.estimator]
        console.print(solver.describe(group, config), highlight=False)
        programs |= {program.key for program in solver.programs(group, config)}
    console.print(f"{count(len(programs), 'program')} to compile, unless in the cache", highlight=False)


def print_summary(console: Console, frame: pl.DataFrame, most: int = 40) -> None:
    """Atoms of every run's output layer, in bits."""
    last = frame.filter((pl.col("layer") == pl.col("num_layers")) & pl.col("i_joint").is_not_null())
    several = [
        name for name in ("ablation", "estimator", "pooling", "tau", "strata") if last[name].drop_nulls().n_unique() > 1
    ]
    title = "Information at the output, bits; ± is half the widest interval: over items (exact) or seeds (BATCH)"
    if CROSSED in last["ablation"]:
        title += "; crossed pairs are corrected for their number"
    table = Table(title=title)
    table.add_column("run", overflow="fold")  # the only column that may wrap
    for name in ("R", "U vis", "U lang", "S", "±", "I joint", "acc"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in last.head(most).iter_rows(named=True):
        widths = [row[f"{atom}_high"] - row[f"{atom}_low"] for atom in ATOMS if row[f"{atom}_low"] is not None]
        half = max(widths) / 2 if widths else None
        corrected = row["ablation"] == CROSSED and row["synergy_corrected"] is not None
        atoms = (row[f"{atom}_{'corrected' if corrected else 'raw'}"] for atom in ATOMS)
        cells = (*atoms, half, row["i_joint"], row["accuracy"])
        settings = (f"tau {row[name]:g}" if name == "tau" else row[name] for name in several)
        name = " ".join([row["run"], *(text for text in settings if text)])
        table.add_row(short(name), *("" if value is None else f"{value:.3f}" for value in cells))
    console.print(table)
    if len(last) > most:
        console.print(f"… and {len(last) - most} more rows in the table")


def warnings_of(frame: pl.DataFrame) -> list[str]:
    """One sentence per failure and per exceeded limit, naming runs and layers."""
    failures = ((code, advice, places(frame.filter(pl.col("result") == code.label))) for code, advice in ADVICE.items())
    failed = [f"{code.label}: {where}; {advice}" for code, advice, where in failures if where]
    return failed + limit_warnings(frame.filter(pl.col("result").is_in(USABLE)))


def count_failures(frame: pl.DataFrame) -> int:
    """Number of failed fits."""
    return len(frame.filter(~pl.col("result").is_in(USABLE)))
