"""The actions of `pid-extract` once its options are parsed. Each function imports what it needs."""

import os
from pathlib import Path

import typer

from pid_lvlm.data.command.result import CommandResult
from pid_lvlm.data.command.shown import count
from pid_lvlm.extract.cli.results import checked, finished, model_types, planned, previewed
from pid_lvlm.extract.config import DatasetSpec, ExtractionConfig, ModelSpec
from pid_lvlm.extract.errors import UsageError
from pid_lvlm.extract.run.malloc import keep_freed_memory


def show_states(models: list[ModelSpec], datasets: list[DatasetSpec], out: Path) -> CommandResult:
    """Print the progress of the runs, or of all run folders in `out` if no run is named."""
    from pid_lvlm.extract.cli.as_jobs import show_status

    if bool(models) != bool(datasets):
        raise UsageError("--status: give models and datasets, a --sweep, or only --out for the run folders in it")
    return show_status(models, datasets, out)


def preview_runs(
    models: list[ModelSpec], datasets: list[DatasetSpec], config: ExtractionConfig, count: int, *, quiet: bool
) -> CommandResult:
    """Write prompts and pictures of the first items."""
    from pid_lvlm.extract.run.jobs import preview_jobs
    from pid_lvlm.extract.run.progress import Reporter

    runs = preview_jobs(models, datasets, config, count, Reporter(quiet=quiet))
    typer.echo("\n".join(run.text for run in runs))
    return previewed(config.out, runs)


def verify_checkpoints(
    models: list[ModelSpec], datasets: list[DatasetSpec], config: ExtractionConfig, *, quiet: bool
) -> CommandResult:
    """Run the checks that runs of these models start with."""
    _prepare_process()
    from pid_lvlm.extract.cli.verification import verify_models

    return verify_models(models, datasets, config, quiet=quiet)


def _prepare_process() -> None:
    # Read when torch and tokenizers are imported. On a busy machine, threads that spin while waiting made a small
    # model eight times slower than threads that sleep.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    keep_freed_memory()


def run_all(
    models: list[ModelSpec],
    datasets: list[DatasetSpec],
    config: ExtractionConfig,
    *,
    dry_run: bool,
    check_data: bool,
    quiet: bool,
) -> CommandResult:
    """Run every model on every dataset, or print the plan."""
    _prepare_process()
    from pid_lvlm.extract.run.jobs import plan_jobs, run_jobs
    from pid_lvlm.extract.run.progress import Reporter

    reporter = Reporter(quiet=quiet)
    if dry_run:
        runs = plan_jobs(models, datasets, config, reporter, every_item=check_data)
        typer.echo("\n\n".join(run.text for run in runs))
        return planned(config.out, runs)
    outcomes = run_jobs(models, datasets, config, reporter)
    for failure in outcomes.failures:
        typer.echo(f"failed: {failure.run}: {failure.error}", err=True)
    if outcomes.failures:
        total = len(outcomes.failures) + len(outcomes.outcomes)
        typer.echo(f"{len(outcomes.failures)} of {total} runs failed", err=True)
    return finished(config.out, outcomes)


def list_model_types() -> CommandResult:
    """List the model types with an adapter."""
    listed = model_types()
    width = max(len(one.model_type) for one in listed.models)
    for one in listed.models:
        typer.echo(f"{one.model_type:<{width}}  {', '.join(one.examples)}")
    typer.echo("Other vision-language models in transformers may work too; they must first pass a leak test.")
    return listed


def check_folders(folders: list[Path]) -> CommandResult:
    """Validate run folders."""
    from pid_lvlm.data.contract.reading.run_folder import validate_run
    from pid_lvlm.data.contract.schema.manifest import read_manifest

    faults = {folder: validate_run(folder) for folder in folders}
    receipts = {folder: read_manifest(folder).receipt for folder, found in faults.items() if not found}
    for folder, found in faults.items():
        typer.echo(f"{folder}: {count(len(found), 'fault') if found else 'valid'}")
        for fault in found:
            typer.echo(f"  - {fault}")
        if receipt := receipts.get(folder):
            typer.echo(f"  receipt: {receipt}")
    return checked(faults, receipts)
