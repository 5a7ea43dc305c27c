"""From run folders to the result table."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from data import Run, find_runs, read_run
from pid_jax.config import EstimatorConfig
from pid_jax.grouping import build_group, group_by_shape
from pid_jax.sweep import solve_group
from pid_jax.table import make_table, problem_id, problem_row
from pid_jax.versions import device_name, library_versions
from pid_jax.workload import Workload, make_workload


class Progress(Protocol):
    """What a progress display must answer: how many fits there are, and that some are done."""

    def start(self, total: int) -> None:
        """There are `total` fits."""

    def advance(self, count: int) -> None:
        """`count` more are done."""


class NoProgress:
    """Shows nothing."""

    def start(self, total: int) -> None:
        """Ignore."""

    def advance(self, count: int) -> None:
        """Ignore."""


def load_workloads(
    runs: Iterable[str | Path], config: EstimatorConfig, layers: str = "all", allow_partial: bool = False
) -> list[Workload]:
    """Read runs and prepare their problems.

    Raises:
        ContractError: a run breaks the contract.
        PidError: a run is too small for one batch or lacks a layer.
    """

    def read(folder: str | Path) -> Run:
        return read_run(folder, allow_partial=allow_partial, poolings=config.poolings)

    return [make_workload(read(folder), config, layers) for folder in find_runs(runs)]


def estimate(
    runs: Iterable[str | Path],
    config: EstimatorConfig | None = None,
    *,
    layers: str = "all",
    allow_partial: bool = False,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Decompose every layer of every run; one row per problem, information in bits (`data.results_schema`).

    Args:
        runs: run folders, or folders of run folders, of any shapes; equal shapes are fitted side by side.
        config: settings; the default preset by default.
        layers: `all`, `last` or a list such as `1,8,last`.
        allow_partial: use unfinished runs as far as they go.
        progress: a display.

    Raises:
        PidError: see `load_workloads`. A fit that fails does not raise; its row's `result` says so.
    """
    config = config or EstimatorConfig()
    workloads = load_workloads(runs, config, layers, allow_partial)
    return make_table(estimate_rows(workloads, config, progress or NoProgress()))


def estimate_rows(
    workloads: list[Workload],
    config: EstimatorConfig,
    progress: Progress,
    done: Mapping[str, dict[str, Any]] | None = None,
    checkpoint: Callable[[list[dict[str, Any]]], object] = lambda _: None,
) -> list[dict[str, Any]]:
    """Rows of all workloads, group by group; rows found in `done` (by problem id) are not fitted again.

    Args:
        workloads: from `load_workloads`.
        config: settings.
        progress: a display.
        done: rows of an earlier, interrupted or smaller estimate.
        checkpoint: called with all rows so far whenever a group is complete.
    """
    kept, missing = [], []
    for workload in workloads:
        ids = [problem_id(workload.run, key, config) for key in workload.keys]
        kept += [done[name] for name in ids if done and name in done]
        open_keys = tuple(key for key, name in zip(workload.keys, ids, strict=True) if not done or name not in done)
        if open_keys:
            missing.append(Workload(workload.run, open_keys, workload.rows, workload.draws))
    progress.start(sum(len(workload.keys) * len(workload.draws) for workload in missing))
    rows = list(kept)
    for members in group_by_shape(missing):
        started = time.perf_counter()
        solved = list(solve_group(build_group(members, config.seeds), config, progress.advance))
        seconds = (time.perf_counter() - started) / len(solved)
        for workload, position, solution in solved:
            versions = {"extract": dict(workload.run.manifest.versions), "estimate": library_versions()}
            provenance = {"versions": json.dumps(versions), "device": device_name(), "seconds": seconds}
            rows.append(problem_row(workload, position, solution, config, provenance))
        checkpoint(rows)
    return rows
