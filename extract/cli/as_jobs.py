"""`pid-extract` as jobs, and the progress of its runs. The jobs themselves are in `pid_lvlm.data.cluster`."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import typer

from pid_lvlm.data.cluster.executor import run_jobs
from pid_lvlm.data.cluster.options import LOCAL, JobOptions
from pid_lvlm.data.cluster.plan import JobPlan, JobsOf, WorkPart
from pid_lvlm.data.cluster.records import PartResult
from pid_lvlm.data.cluster.states import all_done, status_table, summary
from pid_lvlm.data.cluster.status import run_statuses
from pid_lvlm.data.command.part import Part
from pid_lvlm.data.command.result import Failure
from pid_lvlm.data.command.shown import count
from pid_lvlm.data.contract.reading.run_folder import is_run
from pid_lvlm.extract.cli.parts import select_part
from pid_lvlm.extract.cli.results import COMPLETE, Extraction, RunFolder, Statuses
from pid_lvlm.extract.config import DatasetSpec, ExtractionConfig, ModelSpec
from pid_lvlm.extract.datasets.load import DatasetOutline, outline_dataset
from pid_lvlm.extract.errors import UsageError
from pid_lvlm.extract.run.contents.run_folder import check_out_folder, run_path
from pid_lvlm.extract.run.contents.settled import is_settled
from pid_lvlm.extract.run.jobs import check_names
from pid_lvlm.extract.run.pairing import datasets_of


def extract_as_jobs(
    models: Sequence[ModelSpec],
    datasets: Sequence[DatasetSpec],
    config: ExtractionConfig,
    options: JobOptions,
    *,
    dry_run: bool,
    quiet: bool,
) -> Extraction | JobPlan:
    """Run every part with work left as a job, and wait.

    Raises:
        PidError: an option or a dataset card is invalid, or jobs cannot be submitted.
    """
    check_out_folder(config.out)
    if options.executor == LOCAL and config.processes > 1:
        raise UsageError("--executor local and --processes both divide up this machine; give one of them")
    parts = _parts(models, datasets, config, options.jobs)
    work = JobsOf("pid-extract", "pid_lvlm.extract.cli.main", config.out, options, parts, {})
    if dry_run:
        return work.show()
    where = work.where([spec.device for spec in models])
    names = [run for part in parts for run in part.runs]
    results: Mapping[Part, PartResult] = {}
    if jobs := work.jobs():
        results = run_jobs(jobs, where, work.records, partial(_share, config.out, names), quiet=quiet)
    return _finished(config.out, parts, results, quiet=quiet)


def _share(out: Path, runs: Sequence[str]) -> float:
    return all_done(run_statuses(out, runs))


def _parts(
    models: Sequence[ModelSpec], datasets: Sequence[DatasetSpec], config: ExtractionConfig, jobs: int | None
) -> tuple[WorkPart, ...]:
    """One part per model, or per dataset if there are more of those, or as many as requested."""
    outlines = {id(spec): outline_dataset(spec) for spec in datasets}
    check_names(models, list(outlines.values()))
    most = max(len(models), len(datasets))
    total = min(jobs or most, most)
    parts = []
    for number in range(1, total + 1):
        part = Part(number, total)
        chosen = select_part(part.text, models, datasets)
        its = [outlines[id(dataset)] for dataset in chosen[1]]
        pairs = [(spec, dataset) for spec in chosen[0] for dataset in datasets_of(spec, its)]
        runs = tuple(spec.run_name(dataset.name) for spec, dataset in pairs)
        is_done = all(_is_settled(spec, dataset, config) for spec, dataset in pairs)
        parts.append(WorkPart(part, runs, is_done))
    return tuple(parts)


def _is_settled(spec: ModelSpec, dataset: DatasetOutline, config: ExtractionConfig) -> bool:
    return is_settled(run_path(config.out, spec.run_name(dataset.name)), spec, dataset, config)


def _finished(out: Path, parts: Sequence[WorkPart], results: Mapping[Part, PartResult], *, quiet: bool) -> Extraction:
    """Print what failed, and combine the results of all jobs into one."""
    failures, runs = [], []
    there = {one.run: one for one in run_statuses(out, [run for part in parts for run in part.runs])}
    made = {run["run"]: run for result in results.values() for run in result.content.get("runs", ())}
    for part in parts:
        result = results.get(part.part)
        reasons = {} if result is None else result.reasons()
        for run in part.runs:
            # a killed job may have finished some of its runs
            killed_later = result is not None and not result.content and there[run].state == COMPLETE
            if run in reasons and not killed_later:
                failures.append(Failure(run, reasons[run]))
                typer.echo(f"failed: {run}: {reasons[run]} (log: `{result.log if result else ''}`)", err=True)
            elif run in made:
                runs.append(RunFolder(**{**made[run], "folder": Path(made[run]["folder"])}))
            else:
                runs.append(RunFolder(run, out / run, COMPLETE, there[run].done))
    total = sum(len(part.runs) for part in parts)
    if failures:
        typer.echo(f"{len(failures)} of {total} runs failed", err=True)
    elif not quiet:
        typer.echo(f"{count(total, 'run')} complete in `{out}`", err=True)
    return Extraction(
        done=sum(run.measured > 0 for run in runs),
        skipped=sum(run.measured == 0 for run in runs),
        failed=len(failures),
        failures=tuple(failures),
        out=out,
        runs=tuple(runs),
    )


def show_status(models: Sequence[ModelSpec], datasets: Sequence[DatasetSpec], out: Path) -> Statuses:
    """The progress of runs: those of the models and datasets, or if none are given, the existing run folders.

    Raises:
        PidError: a dataset's card cannot be used.
    """
    from rich.console import Console

    if models and datasets:
        outlines = [outline_dataset(spec) for spec in datasets]
        check_names(models, outlines)
        names = [spec.run_name(dataset.name) for spec in models for dataset in datasets_of(spec, outlines)]
    else:
        names = sorted(path.name for path in out.iterdir() if is_run(path)) if out.is_dir() else []
    statuses = run_statuses(out, names)
    if statuses:
        Console().print(status_table(statuses))
    typer.echo(summary(statuses) if statuses else f"no runs in `{out}`")
    return Statuses.of(out, statuses)
