"""All runs of one command: every model on every dataset. Each model is loaded once; a failed run does not stop others.

Problems with paths and datasets are reported before torch is imported.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pid_lvlm.data.errors import PidError
from pid_lvlm.data.locks import locked
from pid_lvlm.data.names import FileNameError, file_name
from pid_lvlm.extract.config import DatasetSpec, ExtractionConfig, ModelSpec, crossing_of
from pid_lvlm.extract.datasets.crossing import crossed_partners
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.datasets.load import load_dataset
from pid_lvlm.extract.errors import UsageError
from pid_lvlm.extract.models.checkpoint.locate import check_model
from pid_lvlm.extract.prompts.templates import get_template, template_name
from pid_lvlm.extract.run.contents.conditions import run_conditions
from pid_lvlm.extract.run.contents.run_folder import check_out_folder, run_path
from pid_lvlm.extract.run.pairing import Named, datasets_of
from pid_lvlm.extract.run.progress import Reporter, run_passes
from pid_lvlm.extract.run.sharing.devices import check_launcher, process_devices

if TYPE_CHECKING:
    from pid_lvlm.extract.models.adapters.base import Adapter
    from pid_lvlm.extract.run.extract_run import Outcome
    from pid_lvlm.extract.run.series import Series


@dataclass(frozen=True)
class Failure:
    """A run that failed, and why."""

    run: str
    error: PidError


@dataclass(frozen=True)
class FinishedJobs:
    """The outcome of all runs of a command: those that completed and those that failed."""

    outcomes: "list[Outcome]"
    failures: list[Failure]


@dataclass(frozen=True)
class PlannedRun:
    """A planned or previewed run: its folder, number of samples, a text about it, and bytes of its kept items."""

    folder: Path
    samples: int
    text: str
    items_bytes: int = 0


def run_jobs(
    models: Sequence[ModelSpec], datasets: Sequence[DatasetSpec], config: ExtractionConfig, reporter: Reporter
) -> FinishedJobs:
    """Do every run; one that fails does not stop the others.

    Raises:
        PidError: a dataset cannot be used, or the only run failed.
    """
    check_out_folder(config.out)
    if len(models) * len(datasets) == 1:
        check_model(models[0])
    with reporter.wait("reading the items"):
        loaded = load_all(datasets, config)
    return run_loaded(models, loaded, config, reporter)


def run_loaded(
    models: Sequence[ModelSpec], datasets: Sequence[Dataset], config: ExtractionConfig, reporter: Reporter
) -> FinishedJobs:
    """Do every run on datasets that are already read.

    Raises:
        PidError: two runs have the same name, or the only run failed.
    """
    check_launcher()
    check_names(models, datasets)
    check_crossing(models, datasets, config)
    for spec in models:
        process_devices(spec.device, config.processes)
    for dataset in datasets:
        for note in dataset.notes:
            reporter.note(f"`{dataset.file}`: {note}")
    passes = [
        run_passes(
            len(dataset.first(spec.limit).items),
            len(run_conditions(spec, config)),
            spec.crossed or config.crossed or 0,
        )
        for spec in models
        for dataset in datasets_of(spec, datasets)
    ]
    reporter.sequence(passes)
    finished = FinishedJobs([], [])
    alone = len(passes) == 1
    first = 1
    series: Series | None = None
    left = [(spec, own) for spec in models if (own := datasets_of(spec, datasets))]  # a part may have none
    while left:
        spec, own = left.pop(0)
        try:
            series = _run_model(spec, own, config, reporter, finished, series, first, alone=alone, last=not left)
        except PidError as error:
            if alone:
                raise
            finished.failures.extend(Failure(spec.run_name(dataset.name), error) for dataset in own)
        first += len(own)
    return finished


def load_all(datasets: Sequence[DatasetSpec], config: ExtractionConfig) -> list[Dataset]:
    """Read and check every dataset, and render every prompt once, before any model is loaded."""
    loaded = [load_dataset(spec, config.limit) for spec in datasets]
    for dataset in loaded:
        check_prompts(dataset, config)
    return loaded


def check_prompts(dataset: Dataset, config: ExtractionConfig) -> None:
    """Render the prompt of every item once.

    Raises:
        UsageError: the prompt template is unknown, or an item does not fit it.
    """
    write = get_template(template_name(config, dataset))
    for item in dataset.items:
        write(item)


def check_crossing(models: Sequence[ModelSpec], datasets: Sequence[Dataset], config: ExtractionConfig) -> None:
    """Choose the questions for every picture once, if runs cross them.

    Raises:
        UsageError: a dataset has too few items of some kind for that.
    """
    for spec in models:
        if (crossing := crossing_of(spec, config)) is not None:
            for dataset in datasets_of(spec, datasets):
                crossed_partners(dataset.first(spec.limit), crossing, config.seed)


def check_names(models: Sequence[ModelSpec], datasets: Sequence[Named]) -> None:
    """Check that every run has its own folder in the output folder.

    Raises:
        UsageError: two of them have the same name, or a name is not a valid folder name.
    """
    seen: set[str] = set()
    for spec in models:
        for dataset in datasets_of(spec, datasets):
            name = spec.run_name(dataset.name)
            _check_file_name(spec, dataset)
            if name in seen:
                message = f"two runs would share the folder `{name}`; tell them apart with --name, --stage or --step"
                raise UsageError(message)
            seen.add(name)


def _check_file_name(spec: ModelSpec, dataset: Named) -> None:
    """Check the name of a run, which combines three names from different places."""
    model = spec.display_name.rsplit("/", maxsplit=1)[-1]
    for where, part in (("--name", model), (f"the name of `{dataset.file}`", dataset.name), ("--stage", spec.stage)):
        try:
            file_name(model if part is None else part)
        except FileNameError as error:
            message = f"{where}: {error}; it is part of the name of the run's folder"
            raise UsageError(message) from None
    try:
        file_name(spec.run_name(dataset.name))
    except FileNameError as error:
        message = f"{error}; shorten --name, --stage or the dataset's name"
        raise UsageError(message) from None


def _run_model(
    spec: ModelSpec,
    datasets: Sequence[Dataset],
    config: ExtractionConfig,
    reporter: Reporter,
    finished: FinishedJobs,
    series: "Series | None",
    first: int,
    *,
    alone: bool,
    last: bool,
) -> "Series":
    """Do the runs of one model, numbered from `first`; returns what they share with the next model's."""
    check_model(spec)
    with reporter.wait(f"loading {spec.model}"):
        from pid_lvlm.extract.models.load import load_adapter, pinned
        from pid_lvlm.extract.run.extract_run import extract_run, model_batching
        from pid_lvlm.extract.run.identity import file_state, identify
        from pid_lvlm.extract.run.series import Series
        from pid_lvlm.extract.run.sharing.processes import Processes

        own, *others = process_devices(spec.device, config.processes)
        spec = replace(pinned(spec), device=own)
        state = file_state(spec)
        adapter = load_adapter(spec)
    revision = identify(spec, state, reporter)
    batching = model_batching(adapter, spec, config, reporter)
    series = series or Series()
    series.begin(adapter, last=last)
    with Processes(spec, others, lambda note: reporter.note(f"{spec.display_name}: {note}")) as processes:
        for number, dataset in enumerate(datasets, start=first):
            reporter.begin(number)
            items = dataset.first(spec.limit)
            try:
                outcome = extract_run(adapter, spec, revision, items, config, reporter, batching, processes, series)
            except PidError as error:
                if alone:
                    raise
                finished.failures.append(Failure(spec.run_name(dataset.name), error))
            else:
                finished.outcomes.append(outcome)
                reporter.finished(outcome)
    return series


def plan_jobs(
    models: Sequence[ModelSpec],
    datasets: Sequence[DatasetSpec],
    config: ExtractionConfig,
    reporter: Reporter,
    *,
    every_item: bool = False,
) -> list[PlannedRun]:
    """Plan what `run_jobs` would do; loads processors and configurations but no weights, and writes nothing.

    The model's processor prepares the items most likely to be bad, or every item.

    Raises:
        PidError: a dataset or a model cannot be used.
    """
    check_out_folder(config.out)
    planned = []
    for spec, adapter, dataset in _without_weights(models, datasets, config, reporter):
        from pid_lvlm.extract.models.misfit import refuse_misfits
        from pid_lvlm.extract.run.rehearsal.check_data import usable
        from pid_lvlm.extract.run.rehearsal.dry_run import describe_plan

        with refuse_misfits(adapter):
            chosen = usable(adapter, dataset.first(spec.limit), config, reporter, every_item=every_item)
            plan = describe_plan(adapter, spec, chosen, config)
        folder = run_path(config.out, spec.run_name(dataset.name))
        planned.append(PlannedRun(folder, len(chosen.items), plan.text, plan.items_bytes))
    return planned


def preview_jobs(
    models: Sequence[ModelSpec],
    datasets: Sequence[DatasetSpec],
    config: ExtractionConfig,
    count: int,
    reporter: Reporter,
) -> list[PlannedRun]:
    """Write a preview of every model on every dataset, one folder each in `config.out`.

    Raises:
        PidError: a dataset or a model cannot be used, or a folder contains something other than a preview.
    """
    config = replace(config, limit=min(count, config.limit or count))
    planned = []
    for spec, adapter, dataset in _without_weights(models, datasets, config, reporter):
        from pid_lvlm.extract.models.misfit import refuse_misfits
        from pid_lvlm.extract.run.rehearsal.preview import check_folder, write_preview

        folder = run_path(config.out, spec.run_name(dataset.name))
        with locked(folder, "pid-extract --preview"), refuse_misfits(adapter):
            check_folder(folder)
            text = write_preview(adapter, dataset, config, folder)
        planned.append(PlannedRun(folder, len(dataset.items), text))
    return planned


def _without_weights(
    models: Sequence[ModelSpec], datasets: Sequence[DatasetSpec], config: ExtractionConfig, reporter: Reporter
) -> "Iterator[tuple[ModelSpec, Adapter, Dataset]]":
    """Every model, loaded without weights, on every dataset."""
    for spec in models:
        check_model(spec)
    with reporter.wait("reading the items"):
        loaded = load_all(datasets, config)
    check_names(models, loaded)
    for spec in models:
        process_devices(spec.device, config.processes)
    for spec in models:
        with reporter.wait(f"loading {spec.model} without its weights"):
            from pid_lvlm.extract.models.load import load_adapter, pinned

            adapter = load_adapter(pinned(spec), weights=False)
        for dataset in datasets_of(spec, loaded):
            yield spec, adapter, dataset
