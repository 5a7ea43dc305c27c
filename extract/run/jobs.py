"""All runs of one command: every model on every dataset, a model loaded once, a failed run not stopping the others.

What is wrong with paths and datasets is reported before anything imports torch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pid_lvlm.data.errors import PidError
from pid_lvlm.extract.config import DatasetSpec, ExtractionConfig, ModelSpec
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.datasets.load import load_dataset
from pid_lvlm.extract.errors import UsageError
from pid_lvlm.extract.models.locate import check_model
from pid_lvlm.extract.prompts.templates import get_template, template_name
from pid_lvlm.extract.run.progress import Reporter, run_passes
from pid_lvlm.extract.run.run_folder import check_out_folder

if TYPE_CHECKING:
    from pid_lvlm.extract.models.adapters.base import Adapter
    from pid_lvlm.extract.run.extract_run import Outcome


@dataclass(frozen=True)
class Failure:
    """A run that failed, and why."""

    run: str
    error: PidError


@dataclass
class Outcomes:
    """What became of the runs of one command: those that are complete now, and those that failed."""

    done: "list[Outcome]" = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def run_jobs(
    models: Sequence[ModelSpec], datasets: Sequence[DatasetSpec], config: ExtractionConfig, reporter: Reporter
) -> list[Failure]:
    """Make every run; returns those that failed while others worked.

    Raises:
        PidError: a dataset cannot be used, or the only run failed.
    """
    check_out_folder(config.out)
    if len(models) * len(datasets) == 1:
        check_model(models[0])
    with reporter.wait("reading the items"):
        loaded = load_all(datasets, config)
    return run_loaded(models, loaded, config, reporter).failures


def run_loaded(
    models: Sequence[ModelSpec], datasets: Sequence[Dataset], config: ExtractionConfig, reporter: Reporter
) -> Outcomes:
    """Make every run on datasets that are already read.

    Raises:
        PidError: two runs have the same name, or the only run failed.
    """
    check_names(models, datasets)
    for dataset in datasets:
        for note in dataset.notes:
            reporter.note(f"`{dataset.file}`: {note}")
    sizes = [len(dataset.first(spec.limit).items) for spec in models for dataset in datasets]
    reporter.sequence([run_passes(size) for size in sizes])
    outcomes = Outcomes()
    alone = len(sizes) == 1
    for number, spec in enumerate(models):
        first = number * len(datasets) + 1
        try:
            _run_model(spec, datasets, config, reporter, outcomes, first=first, alone=alone)
        except PidError as error:
            if alone:
                raise
            outcomes.failures += [Failure(spec.run_name(dataset.name), error) for dataset in datasets]
    return outcomes


def load_all(datasets: Sequence[DatasetSpec], config: ExtractionConfig) -> list[Dataset]:
    """Read and check every dataset, and write every prompt once, before any model is loaded."""
    loaded = [load_dataset(spec, config.limit) for spec in datasets]
    for dataset in loaded:
        check_prompts(dataset, config)
    return loaded


def check_prompts(dataset: Dataset, config: ExtractionConfig) -> None:
    """Write the prompt of every item once.

    Raises:
        UsageError: there is no such prompt template, or an item does not fit it.
    """
    write = get_template(template_name(config, dataset))
    for item in dataset.items:
        write(item)


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
    first: int,
    alone: bool,
) -> None:
    """Make the runs of one model, which are number `first` and those after it."""
    check_model(spec)
    with reporter.wait(f"loading {spec.model}"):
        from pid_lvlm.extract.models.load import load_adapter, pinned, recorded_revision
        from pid_lvlm.extract.run.extract_run import extract_run

        spec = pinned(spec)
        adapter = load_adapter(spec)
        revision = recorded_revision(spec)
    for number, dataset in enumerate(datasets, start=first):
        reporter.begin(number)
        try:
            outcome = extract_run(adapter, spec, revision, dataset.first(spec.limit), config, reporter)
        except PidError as error:
            if alone:
                raise
            outcomes.failures.append(Failure(spec.run_name(dataset.name), error))
        else:
            outcomes.done.append(outcome)
            reporter.finished(outcome)


def plan_jobs(
    models: Sequence[ModelSpec], datasets: Sequence[DatasetSpec], config: ExtractionConfig, reporter: Reporter
) -> str:
    """What `run_jobs` would do, as text; loads processors and configurations, no weights, and writes nothing.

    Raises:
        PidError: a dataset or a model cannot be used.
    """
    check_out_folder(config.out)
    parts = []
    for spec, adapter, dataset in _without_weights(models, datasets, config, reporter):
        from pid_lvlm.extract.models.misfit import refuse_misfits
        from pid_lvlm.extract.run.dry_run import describe_plan

        with refuse_misfits(adapter):
            parts.append(describe_plan(adapter, spec, dataset.first(spec.limit), config))
    return "\n\n".join(parts)


def preview_jobs(
    models: Sequence[ModelSpec],
    datasets: Sequence[DatasetSpec],
    config: ExtractionConfig,
    count: int,
    reporter: Reporter,
) -> str:
    """Write a preview of every model on every dataset, one folder each below `config.out`; returns the texts.

    Raises:
        PidError: a dataset or a model cannot be used, or a folder holds something else than a preview.
    """
    config = replace(config, limit=min(count, config.limit or count))
    texts = []
    for spec, adapter, dataset in _without_weights(models, datasets, config, reporter):
        from pid_lvlm.extract.models.misfit import refuse_misfits
        from pid_lvlm.extract.run.preview import check_folder, write_preview

        folder = config.out / spec.run_name(dataset.name)
        check_folder(folder)
        with refuse_misfits(adapter):
            texts.append(write_preview(adapter, dataset, config, folder))
    return "\n".join(texts)


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
