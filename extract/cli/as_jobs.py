"""`pid-extract` as jobs, and how far its runs are. What a job does is in `pid_lvlm.data.cluster`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from pid_lvlm.data.cluster.executor import Where, run_jobs, sbatch_script
from pid_lvlm.data.cluster.gpus import visible_gpus
from pid_lvlm.data.cluster.job import PartJob
from pid_lvlm.data.cluster.options import LOCAL, SLURM
from pid_lvlm.data.cluster.records import PartResult, Records
from pid_lvlm.data.cluster.slurm_options import slurm_parameters
from pid_lvlm.data.cluster.status import all_done, run_statuses, status_table, summary
from pid_lvlm.data.command.part import Part
from pid_lvlm.data.command.result import Failure
from pid_lvlm.data.command.shown import count
from pid_lvlm.data.contract.run_folder import is_run
from pid_lvlm.extract.cli.parts import select_part
from pid_lvlm.extract.cli.results import COMPLETE, Extraction, JobPlan, PlannedPart, RunFolder, Statuses
from pid_lvlm.extract.config import DatasetSpec, ExtractionConfig, ModelSpec
from pid_lvlm.extract.datasets.load import DatasetOutline, outline_dataset
from pid_lvlm.extract.run.jobs import check_names
from pid_lvlm.extract.run.run_folder import check_out_folder, run_path
from pid_lvlm.extract.run.settled import is_settled

MODULE = "pid_lvlm.extract.cli.main"
NAME = "pid-extract"


@dataclass(frozen=True)
class JobOptions:
    """The options that make jobs of a command.

    Attributes:
        executor: `local` or `slurm`.
        jobs: into how many jobs the work is split; None for one per model (or dataset, where there are more of them).
        slurm: texts `KEY=VALUE`.
        arguments: the command's, without these options.
    """

    executor: str
    jobs: int | None
    slurm: tuple[str, ...]
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class _PartOfRuns:
    """A part and the runs in it, and whether all of them are finished."""

    part: Part
    runs: tuple[str, ...]
    is_done: bool


def extract_as_jobs(
    models: Sequence[ModelSpec],
    datasets: Sequence[DatasetSpec],
    config: ExtractionConfig,
    options: JobOptions,
    *,
    dry_run: bool,
    quiet: bool,
) -> Extraction | JobPlan:
    """Run every part that has something left to do as a job, and wait.

    Raises:
        PidError: an option or a dataset's card cannot be used, or jobs cannot be submitted.
    """
    check_out_folder(config.out)
    parameters = slurm_parameters(options.slurm, NAME)
    parts = _parts(models, datasets, config, options.jobs)
    records = Records.of(config.out, options.arguments, [part.runs for part in parts])
    left = [part for part in parts if not part.is_done]
    if dry_run:
        return _plan(config.out, options, parameters, records, parts)
    results: dict[Part, PartResult] = {}
    if left:
        jobs = [PartJob(MODULE, options.arguments, one.part, one.runs, records, Path.cwd()) for one in left]
        names = [run for part in parts for run in part.runs]
        where = _where(options, parameters, {spec.device for spec in models})
        results = run_jobs(jobs, where, records, lambda: all_done(run_statuses(config.out, names)), quiet=quiet)
    return _finished(config.out, parts, results, quiet=quiet)


def _parts(
    models: Sequence[ModelSpec], datasets: Sequence[DatasetSpec], config: ExtractionConfig, jobs: int | None
) -> list[_PartOfRuns]:
    outlines = {id(spec): outline_dataset(spec) for spec in datasets}
    check_names(models, list(outlines.values()))
    most = max(len(models), len(datasets))
    total = min(jobs or most, most)
    parts = []
    for number in range(1, total + 1):
        chosen = select_part(f"{number}/{total}", models, datasets)
        pairs = [(spec, outlines[id(dataset)]) for spec in chosen[0] for dataset in chosen[1]]
        parts.append(
            _PartOfRuns(
                Part(number, total),
                tuple(spec.run_name(dataset.name) for spec, dataset in pairs),
                all(_is_settled(spec, dataset, config) for spec, dataset in pairs),
            )
        )
    return parts


def _is_settled(spec: ModelSpec, dataset: DatasetOutline, config: ExtractionConfig) -> bool:
    return is_settled(run_path(config.out, spec.run_name(dataset.name)), spec, dataset, config)


def _where(options: JobOptions, parameters: dict[str, Any], devices: set[str]) -> Where:
    """On this machine as many jobs at a time as there are GPUs to choose from, else all that were asked for, or one."""
    gpus = visible_gpus() if options.executor == LOCAL and devices <= {"auto", "cuda"} else ()
    return Where(options.executor, parameters, len(gpus) or options.jobs or 1, gpus)


def _plan(
    out: Path, options: JobOptions, parameters: dict[str, Any], records: Records, parts: Sequence[_PartOfRuns]
) -> JobPlan:
    left = [part for part in parts if not part.is_done]
    script = sbatch_script(records.folder, parameters, len(left)) if options.executor == SLURM and left else None
    if script is not None:
        typer.echo(script)
    for part in parts:
        state = "complete, not submitted" if part.is_done else count(len(part.runs), "run")
        typer.echo(f"part {part.part.number}/{part.part.total}: {state}")
        for run in part.runs:
            typer.echo(f"  {run}")
    done = sum(len(part.runs) for part in left)
    return JobPlan(
        done=done,
        skipped=sum(len(part.runs) for part in parts) - done,
        out=out,
        script=script,
        parts=tuple(PlannedPart(f"{one.part.number}/{one.part.total}", one.runs, one.is_done) for one in parts),
    )


def _finished(out: Path, parts: Sequence[_PartOfRuns], results: dict[Part, PartResult], *, quiet: bool) -> Extraction:
    """Say what failed; the results of all jobs as that of one command."""
    failures, runs = [], []
    made = {run["run"]: run for result in results.values() for run in result.content.get("runs", ())}
    total = sum(len(part.runs) for part in parts)
    for part in parts:
        result = results.get(part.part)
        reasons = {} if result is None else result.reasons()
        for run in part.runs:
            if run in reasons:
                failures.append(Failure(run, reasons[run]))
                typer.echo(f"failed: {run}: {reasons[run]} (log: {result.log if result else ''})", err=True)
            elif run in made:
                runs.append(RunFolder(**{**made[run], "folder": Path(made[run]["folder"])}))
    statuses = run_statuses(out, [run for part in parts if part.part not in results for run in part.runs])
    runs += [RunFolder(one.run, out / one.run, COMPLETE, one.done) for one in statuses]
    if failures:
        typer.echo(f"{len(failures)} of {total} runs failed", err=True)
    if not quiet:
        typer.echo(f"{total - len(failures)} of {count(total, 'run')} complete in `{out}`", err=True)
    return Extraction(
        done=sum(run.measured > 0 for run in runs),
        skipped=sum(run.measured == 0 for run in runs),
        failed=len(failures),
        failures=tuple(failures),
        out=out,
        runs=tuple(runs),
    )


def show_status(models: Sequence[ModelSpec], datasets: Sequence[DatasetSpec], out: Path) -> Statuses:
    """How far runs are: those of the models and datasets, or without any the run folders that are there.

    Raises:
        PidError: a dataset's card cannot be used.
    """
    if models and datasets:
        outlines = [outline_dataset(spec) for spec in datasets]
        check_names(models, outlines)
        names = [spec.run_name(dataset.name) for spec in models for dataset in outlines]
    else:
        names = sorted(path.name for path in out.iterdir() if is_run(path)) if out.is_dir() else []
    statuses = run_statuses(out, names)
    from rich.console import Console

    if statuses:
        Console(soft_wrap=False).print(status_table(statuses))
    typer.echo(summary(statuses))
    return Statuses.of(out, statuses)
