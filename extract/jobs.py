"""All runs of one command: every model on every dataset, a model loaded once, a failed run not stopping the others."""

from collections.abc import Sequence
from dataclasses import dataclass

from data.errors import PidError
from extract.config import DatasetSpec, ExtractionConfig, ModelSpec
from extract.description import template_name
from extract.dry_run import describe_plan
from extract.errors import UsageError
from extract.items import Dataset
from extract.loader import load_dataset
from extract.loading import load_adapter, pinned, recorded_revision
from extract.output import check_out_folder
from extract.progress import Reporter
from extract.prompts import get_template
from extract.runner import extract_run


@dataclass(frozen=True)
class Failure:
    """A run that could not be made, and why."""

    run: str
    error: PidError


def run_jobs(
    models: Sequence[ModelSpec], datasets: Sequence[DatasetSpec], config: ExtractionConfig, reporter: Reporter
) -> list[Failure]:
    """Make every run; returns those that failed while others worked.

    Raises:
        PidError: a dataset cannot be used, or the only run failed.
    """
    check_out_folder(config.out)
    loaded = load_all(datasets, config)
    check_names(models, loaded)
    for dataset in loaded:
        for note in dataset.notes:
            reporter.say(f"note: `{dataset.file}`: {note}")
    failures = []
    alone = len(models) * len(loaded) == 1
    for spec in models:
        try:
            failures += _run_model(spec, loaded, config, reporter, alone=alone)
        except PidError as error:
            if alone:
                raise
            failures += [Failure(spec.run_name(dataset.name), error) for dataset in loaded]
    return failures


def load_all(datasets: Sequence[DatasetSpec], config: ExtractionConfig) -> list[Dataset]:
    """Read and check every dataset, and write every prompt once, before any model is loaded."""
    loaded = [load_dataset(spec, config.limit) for spec in datasets]
    for dataset in loaded:
        write = get_template(template_name(config, dataset))
        for item in dataset.items:
            write(item)
    return loaded


def check_names(models: Sequence[ModelSpec], datasets: Sequence[Dataset]) -> None:
    """Two runs must not share a folder.

    Raises:
        UsageError: two of them have the same name.
    """
    seen: set[str] = set()
    for spec in models:
        for dataset in datasets:
            name = spec.run_name(dataset.name)
            if name in seen:
                message = f"two runs would share the folder `{name}`; tell them apart with --name, --stage or --step"
                raise UsageError(message)
            seen.add(name)


def _run_model(
    spec: ModelSpec, datasets: Sequence[Dataset], config: ExtractionConfig, reporter: Reporter, *, alone: bool
) -> list[Failure]:
    spec = pinned(spec)
    adapter = load_adapter(spec)
    revision = recorded_revision(spec)
    failures = []
    for dataset in datasets:
        try:
            outcome = extract_run(adapter, spec, revision, dataset.first(spec.limit), config, reporter)
            reporter.say(str(outcome))
        except PidError as error:
            if alone:
                raise
            failures.append(Failure(spec.run_name(dataset.name), error))
    return failures


def plan_jobs(models: Sequence[ModelSpec], datasets: Sequence[DatasetSpec], config: ExtractionConfig) -> str:
    """What `run_jobs` would do, as text; loads processors and configurations, no weights, and writes nothing.

    Raises:
        PidError: a dataset or a model cannot be used.
    """
    check_out_folder(config.out)
    loaded = load_all(datasets, config)
    check_names(models, loaded)
    parts = []
    for spec in models:
        adapter = load_adapter(pinned(spec), weights=False)
        parts += [describe_plan(adapter, spec, dataset.first(spec.limit), config) for dataset in loaded]
    return "\n\n".join(parts)
