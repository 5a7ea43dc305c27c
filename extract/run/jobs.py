"""All runs of one command: every model on every dataset, a model loaded once, a failed run not stopping the others.

What is wrong with paths and datasets is said before anything imports torch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pid_lvlm.data.errors import PidError
from pid_lvlm.extract.config import DatasetSpec, ExtractionConfig, ModelSpec
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.datasets.load import load_dataset
from pid_lvlm.extract.errors import UsageError
from pid_lvlm.extract.models.locate import check_model
from pid_lvlm.extract.prompts.templates import get_template, template_name
from pid_lvlm.extract.run.progress import Reporter
from pid_lvlm.extract.run.run_folder import check_out_folder

if TYPE_CHECKING:
    from pid_lvlm.extract.models.adapters.base import Adapter
    from pid_lvlm.extract.run.extract_run import Outcome


@dataclass(frozen=True)
class Failure:
    """A run that could not be made, and why."""

    run: str
    error: PidError


@dataclass
class Outcomes:
    """What became of the runs of one command: those that are complete now, and those that failed."""

    done: "list[Outcome]" = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


@dataclass(frozen=True)
class PlannedRun:
    """A run that was looked at and not made: its folder, how many samples it has, and the text about it."""

    folder: Path
    samples: int
    text: str


def run_jobs(
    models: Sequence[ModelSpec], datasets: Sequence[DatasetSpec], config: ExtractionConfig, reporter: Reporter
) -> Outcomes:
    """Make every run; one that fails does not stop the others.

    Raises:
        PidError: a dataset cannot be used, or the only run failed.
    """
    check_out_folder(config.out)
    alone = len(models) * len(datasets) == 1
    if alone:
        check_model(models[0])
    with reporter.wait("reading the items"):
        loaded = load_all(datasets, config)
    check_names(models, loaded)
    for dataset in loaded:
        for note in dataset.notes:
            reporter.say(f"note: `{dataset.file}`: {note}")
    outcomes = Outcomes()
    for spec in models:
        try:
            _run_model(spec, loaded, config, reporter, outcomes, alone=alone)
        except PidError as error:
            if alone:
                raise
            outcomes.failures.extend(Failure(spec.run_name(dataset.name), error) for dataset in loaded)
    return outcomes


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
    spec: ModelSpec,
    datasets: Sequence[Dataset],
    config: ExtractionConfig,
    reporter: Reporter,
    outcomes: Outcomes,
    *,
    alone: bool,
) -> None:
    check_model(spec)
    with reporter.wait(f"loading {spec.model}"):
        from pid_lvlm.extract.models.load import load_adapter, pinned, recorded_revision
        from pid_lvlm.extract.run.extract_run import extract_run

        spec = pinned(spec)
        adapter = load_adapter(spec)
        revision = recorded_revision(spec)
    for dataset in datasets:
        try:
            outcome = extract_run(adapter, spec, revision, dataset.first(spec.limit), config, reporter)
            reporter.say(str(outcome))
            outcomes.done.append(outcome)
        except PidError as error:
            if alone:
                raise
            outcomes.failures.append(Failure(spec.run_name(dataset.name), error))


def plan_jobs(
    models: Sequence[ModelSpec], datasets: Sequence[DatasetSpec], config: ExtractionConfig, reporter: Reporter
) -> list[PlannedRun]:
    """What `run_jobs` would do; loads processors and configurations, no weights, and writes nothing.

    Raises:
        PidError: a dataset or a model cannot be used.
    """
    check_out_folder(config.out)
    planned = []
    for spec, adapter, dataset in _without_weights(models, datasets, config, reporter):
        from pid_lvlm.extract.run.dry_run import describe_plan

        chosen = dataset.first(spec.limit)
        text = describe_plan(adapter, spec, chosen, config)
        planned.append(PlannedRun(config.out / spec.run_name(dataset.name), len(chosen.items), text))
    return planned


def preview_jobs(
    models: Sequence[ModelSpec],
    datasets: Sequence[DatasetSpec],
    config: ExtractionConfig,
    count: int,
    reporter: Reporter,
) -> list[PlannedRun]:
    """Write a preview of every model on every dataset, one folder each below `config.out`.

    Raises:
        PidError: a dataset or a model cannot be used, or a folder holds something else than a preview.
    """
    config = replace(config, limit=min(count, config.limit or count))
    planned = []
    for spec, adapter, dataset in _without_weights(models, datasets, config, reporter):
        from pid_lvlm.extract.run.preview import check_folder, write_preview

        folder = config.out / spec.run_name(dataset.name)
        check_folder(folder)
        text = write_preview(adapter, dataset, config, folder)
        planned.append(PlannedRun(folder, len(dataset.items), text))
    return planned


def _without_weights(
    models: Sequence[ModelSpec], datasets: Sequence[DatasetSpec], config: ExtractionConfig, reporter: Reporter
) -> "Iterator[tuple[ModelSpec, Adapter, Dataset]]":
    """Every model on every dataset, models without weights."""
    for spec in models:
        check_model(spec)
    with reporter.wait("reading the items"):
        loaded = load_all(datasets, config)
    check_names(models, loaded)
    for spec in models:
        with reporter.wait(f"loading {spec.model} without its weights"):
            from pid_lvlm.extract.models.load import load_adapter, pinned

            adapter = load_adapter(pinned(spec), weights=False)
        for dataset in loaded:
            yield spec, adapter, dataset
