"""What `pid-estimate` did, for `--json`."""

from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pid_jax.cli.messages import warnings_of
from pid_jax.results.solution import ADVICE
from pid_jax.sweep.plan import Plan
from pid_lvlm.data.command.result import CommandResult, Failure, fit_name
from pid_lvlm.data.contract.table.results import USABLE


@dataclass(frozen=True, kw_only=True)
class Estimation(CommandResult):
    """Problems that were or would be fitted: `done` and `skipped` count them, `failed` counts rows without numbers.

    Attributes:
        out: the result table.
        rows: number of rows in it now, including other runs and settings; None if nothing is written.
        runs: names of the runs that can be used.
        warnings: reasons not to trust some rows, naming their runs.
    """

    out: Path
    rows: int | None
    runs: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def planned_estimation(out: Path, plan: Plan, problems: int, already: int) -> Estimation:
    """The result of `--dry-run`."""
    refused = _refused(plan)
    return Estimation(
        action="dry-run",
        done=problems,
        skipped=already,
        failed=len(refused),
        failures=refused,
        out=out,
        rows=None,
        runs=_runs(plan),
    )


def finished_estimation(out: Path, plan: Plan, frame: pl.DataFrame, before: Container[str]) -> Estimation:
    """The result of estimating.

    Args:
        out: the table that was written.
        plan: the runs.
        frame: the table.
        before: ids of problems that were in the table at the start.
    """
    known = {refusal.manifest.run: refusal.reason for refusal in plan.refusals if refusal.manifest is not None}
    failed = frame.filter(~pl.col("result").is_in(USABLE))
    rows = tuple(
        Failure(fit_name(row), known.get(row["run"]) or f"{row['result']}: {_advice(row['result'])}")
        for row in failed.select("run", "layer", "pooling", "tau", "estimator", "result").iter_rows(named=True)
    )
    without_rows = _refused(plan, without_rows=True)
    fresh = frame.filter(pl.col("result").is_in(USABLE))["problem_id"]
    return Estimation(
        done=sum(name not in before for name in fresh),
        skipped=sum(name in before for run in plan.runs for name in run.ids),
        failed=len(rows) + len(without_rows),
        failures=(*rows, *without_rows),
        out=out,
        rows=len(frame),
        runs=_runs(plan),
        warnings=tuple(warnings_of(frame)),
    )


def _runs(plan: Plan) -> tuple[str, ...]:
    return tuple(dict.fromkeys(run.outline.manifest.run for run in plan.runs))


def _refused(plan: Plan, without_rows: bool = False) -> tuple[Failure, ...]:
    """Runs that cannot be used; optionally only those without rows because their manifest cannot be read."""
    return tuple(
        Failure(str(refusal.folder), refusal.reason)
        for refusal in plan.refusals
        if not (without_rows and refusal.manifest is not None)
    )


def _advice(label: str) -> str:
    return next((advice for code, advice in ADVICE.items() if code.label == label), "")
