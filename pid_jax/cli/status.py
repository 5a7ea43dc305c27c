"""Progress of an estimate from its tables, locks and jobs alone, without loading jax or planning."""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from rich import box
from rich.table import Table
from rich.text import Text

from pid_jax.cli.console import PlainConsole, expand, short
from pid_jax.config import BATCH, ESTIMATORS, EstimatorConfig
from pid_jax.problems.ablations import select_ablations
from pid_jax.problems.layers import Layers, parse_layers, select_layers
from pid_lvlm.data import Manifest, PidError, find_runs
from pid_lvlm.data.cluster.records import results
from pid_lvlm.data.cluster.states import COMPLETE, FAILED, INTERRUPTED, NEW
from pid_lvlm.data.command.part import part_tables
from pid_lvlm.data.command.result import CommandResult, Failure
from pid_lvlm.data.command.shown import count
from pid_lvlm.data.contract.schema.manifest import read_manifest
from pid_lvlm.data.contract.table.result_file import read_table
from pid_lvlm.data.locks import lock_holder

Row = tuple[str, str, int, float, str, str]
"""Run, estimator, layer, tau, pooling and recipe of a row of the result table."""

IDENTITY = ("run", "estimator", "layer", "tau", "pooling", "recipe")


@dataclass(frozen=True)
class RunRows:
    """How many problems of a run have a row; `state` is `new`, `interrupted` (some), `complete` or `failed`."""

    run: str
    state: str
    done: int
    total: int
    note: str = ""


@dataclass(frozen=True)
class TableState:
    """A table with rows, the result table or a part's, and the process that is writing it, if any."""

    table: Path
    rows: int
    writer: str | None


@dataclass(frozen=True, kw_only=True)
class EstimateStatus(CommandResult):
    """The result of `--status`: `done` counts runs with all their rows, `share` is that of problems, 0 to 1."""

    action: str = "status"
    out: Path
    share: float
    runs: tuple[RunRows, ...]
    tables: tuple[TableState, ...]


def estimate_status(runs: Sequence[Path], out: Path, config: EstimatorConfig, layers: str) -> EstimateStatus:
    """How many problems of every run have a row, in the result table or a part's, and which processes are running.

    A row counts if its run, layer and settings match; whether the run has changed since is not checked.

    Raises:
        PidError: a path is not a run folder, or a table cannot be read.
    """
    console = PlainConsole(stderr=False)
    wanted = parse_layers(layers)
    there: set[Row] = set()
    tables = []
    for path in (out, *part_tables(out)):
        rows = _rows(path)
        there |= rows
        if path.exists() or path != out:
            tables.append(TableState(path, len(rows), lock_holder(path)))
    states = [_run_rows(folder, there, config, wanted) for folder in find_runs(expand(console, runs))]
    total = sum(one.total for one in states)
    share = sum(one.done for one in states) / total if total else 0.0
    _show(console, states, tables, share)
    for result in results(out):
        if result.error is not None:
            console.print(f"part {result.part}: {result.error} (log: {result.log})")
    failures = tuple(Failure(one.run, one.note) for one in states if one.state == FAILED)
    return EstimateStatus(
        done=sum(one.state == COMPLETE for one in states),
        failed=len(failures),
        failures=failures,
        out=out,
        share=round(share, 4),
        runs=tuple(states),
        tables=tuple(tables),
    )


def share_done(out: Path, wanted: Collection[Row]) -> float:
    """Share of the wanted rows that are in the result table or a part's, 0 to 1."""
    there = {row for path in (out, *part_tables(out)) for row in _rows(path)}
    return sum(row in there for row in wanted) / max(1, len(wanted))


def _rows(path: Path) -> set[Row]:
    if not path.exists():
        return set()
    frame = read_table(path)
    if "estimator" not in frame.columns:  # older version with only one estimator
        frame = frame.with_columns(estimator=pl.lit(BATCH))
    return set(frame.select(pl.col(IDENTITY)).with_columns(pl.col("pooling").fill_null("")).iter_rows())


def _run_rows(folder: Path, there: set[Row], config: EstimatorConfig, layers: Layers) -> RunRows:
    try:
        manifest = read_manifest(folder)
        wanted = set(wanted_rows(manifest, config, layers))
    except PidError as error:
        return RunRows(folder.name, FAILED, 0, 0, str(error).partition("\n")[0])
    done = len(wanted & there)
    state = COMPLETE if done == len(wanted) else INTERRUPTED if done else NEW
    return RunRows(manifest.run, state, done, len(wanted), "" if manifest.finished else "the run is not finished")


def wanted_rows(manifest: Manifest, config: EstimatorConfig, layers: Layers) -> Iterator[Row]:
    """The rows that a run will have: one per problem in `pid_jax.sweep.plan.problem_keys`."""
    for estimator in ESTIMATORS[config.estimator]:
        poolings = config.poolings if estimator == BATCH else ("",)
        for tau in config.taus:
            for pooling in poolings:
                for ablation in select_ablations(manifest, config.ablations, estimator):
                    recipe = json.dumps(config.for_single(tau, pooling, estimator, ablation))
                    for layer in select_layers(manifest, layers):
                        yield manifest.run, estimator, layer, tau, pooling, recipe


def _show(console: PlainConsole, states: Sequence[RunRows], tables: Sequence[TableState], share: float) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, side in (("run", "left"), ("state", "left"), ("problems", "right"), ("", "left")):
        table.add_column(name, justify=side, overflow="fold")  # type: ignore[arg-type]
    for one in states:
        table.add_row(short(one.run), one.state, f"{one.done:,} of {one.total:,}", Text(one.note))
    console.print(table)
    for one_table in tables:
        writer = f", being written by {one_table.writer}" if one_table.writer else ""
        console.print(f"`{one_table.table}`: {count(one_table.rows, 'row')}{writer}")
    problems = sum(one.total for one in states)
    console.print(f"{count(len(states), 'run')}, {count(problems, 'problem')}; {100 * share:.0f} % done")
