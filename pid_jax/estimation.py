"""From run folders to the result table."""

from collections.abc import Container, Iterable
from pathlib import Path

import polars as pl

from pid_jax.arguments import checked_config
from pid_jax.config import ESTIMATORS, EstimatorConfig
from pid_jax.results.rows import make_table
from pid_jax.sweep.chunks import this_machine
from pid_jax.sweep.devices import count_devices
from pid_jax.sweep.memory import check_budget, default_budget, parse_bytes
from pid_jax.sweep.plan import Plan, plan_runs
from pid_jax.sweep.protocol import Group, Share
from pid_jax.sweep.registry import SOLVERS
from pid_jax.sweep.stream import Keep, NoProgress, Progress, fit_groups, forget
from pid_lvlm.data.command.part import WHOLE, Part


def estimate(
    runs: str | Path | Iterable[str | Path],
    config: EstimatorConfig | None = None,
    *,
    layers: str = "all",
    allow_partial: bool = False,
    memory_budget: int | str | None = None,
    devices: int | None = None,
    progress: Progress | None = None,
    keep: Keep = forget,
) -> pl.DataFrame:
    """Decompose every layer of every run; a row per problem, in bits (columns: `pid_lvlm.data.contract.table.results`).

    Args:
        runs: any number of run folders, or folders of run folders, of any shapes; equal shapes are fitted side by side.
        config: settings; the default preset by default.
        layers: `all`, `last` or a list such as `1,8,last`.
        allow_partial: use the finished shards of unfinished runs.
        memory_budget: bytes, or text such as `8GB`; by default free GPU memory, or half of the host's memory.
        devices: number of this process's devices to use; all by default.
        progress: a progress display.
        keep: called with the id and the solution of every problem: a `Solution` (terms per seed, loss traces, marginal
            errors) or an `ExactOutcome` (certified bounds, potentials, pointwise atoms).

    Raises:
        ArgumentError: an argument is not as expected; this is a `ValueError`, and also a `TypeError` if the type is
        wrong.
        PidError: no run can be used. If some can, the others become warnings and rows with the result `invalid_run`.
            A failed fit does not raise either; see the column `result`.
    """
    config = checked_config(config)
    devices = count_devices(devices)
    plan = plan_runs(runs, config, layers, allow_partial)
    groups = plan_groups(plan, config, devices, memory_budget)
    chunks = fit_groups(plan, groups, config, progress or NoProgress(), keep)
    return make_table(in_order(plan, [row for rows in chunks for row in rows]))


def plan_groups(
    plan: Plan,
    config: EstimatorConfig,
    devices: int,
    memory_budget: int | str | None = None,
    done: Container[str] = (),
    part: Part = WHOLE,
) -> list[Group]:
    """Groups of one estimator and equal shape, cut into chunks that fit into memory.

    Groups that need no compiled program come first, so that the programs of the others are compiled meanwhile.

    Args:
        plan: the runs.
        config: settings.
        devices: how many devices share the fits.
        memory_budget: bytes, or text such as `8GB`; by default free GPU memory, or half of the host's memory.
        done: problems (by id) to leave out.
        part: this process's part of every group.

    Raises:
        ArgumentError: the budget is not an amount of memory.
    """
    if memory_budget is None:
        memory_budget = default_budget()
    budget = parse_bytes(memory_budget) if isinstance(memory_budget, str) else check_budget(memory_budget)
    machine = this_machine(devices, budget)
    share = Share(lambda name: name not in done, part)
    groups = [
        group
        for name in ESTIMATORS[config.estimator]
        for group in SOLVERS[name].group(plan.runs, config, machine, share)
    ]
    return sorted(groups, key=lambda group: bool(SOLVERS[group.estimator].programs(group, config)))


def in_order(plan: Plan, rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Rows sorted in the order of the plan's problems; rows of other problems come last."""
    place = {name: i for i, name in enumerate(name for run in plan.runs for name in run.ids)}
    return sorted(rows, key=lambda row: place.get(str(row["problem_id"]), len(place)))
