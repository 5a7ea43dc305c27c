"""One run: one model on one dataset, from items to a finished run folder, in three steps.

The steps: prepare (`pid_lvlm.extract.run.prepare`), measure the statistics of the replacement noise, write the shards.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from pid_lvlm.data.contract.schema.receipt import Receipt
from pid_lvlm.data.locks import locked
from pid_lvlm.data.names import CONDITIONS, ITEM_FILES
from pid_lvlm.extract.config import ExtractionConfig, ModelSpec
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.datasets.row_counts import few_rows_note
from pid_lvlm.extract.errors import MisfitError, ModelError
from pid_lvlm.extract.measure.ahead import can_fork, lost_worker, usual_workers
from pid_lvlm.extract.measure.batching import Batching, out_of_memory
from pid_lvlm.extract.measure.kept_batches import KeptBatches
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.misfit import refuse_misfits
from pid_lvlm.extract.prompts.prompt_plan import Plan
from pid_lvlm.extract.prompts.templates import template_name
from pid_lvlm.extract.run.contents.keep_items import files_to_keep, keep_items
from pid_lvlm.extract.run.contents.run_folder import RunFolder, run_path
from pid_lvlm.extract.run.prepare import PreparedRun, prepare_run
from pid_lvlm.extract.run.progress import Reporter
from pid_lvlm.extract.run.receipt.make import CHECKED_PICTURES, Subject, make_receipt, plan_like_run
from pid_lvlm.extract.run.receipt.verdict import require
from pid_lvlm.extract.run.rehearsal.check_data import usable_for_run
from pid_lvlm.extract.run.series import Series
from pid_lvlm.extract.run.sharing.passes import noise_stats, write_shards
from pid_lvlm.extract.run.sharing.processes import Processes
from pid_lvlm.extract.run.sharing.work import RunShare, ShardWork

SPLIT_LETTERS: Final = (
    "the tokenizer splits the option letters; an option's score is the mean over its tokens, and accuracy_strict sees "
    "only the first"
)


@dataclass(frozen=True)
class Outcome:
    """The outcome of one run.

    Attributes:
        folder: folder of the run.
        samples: number of samples of the run.
        measured: number of samples that this command measured.
        seconds: time taken.
        items_bytes: size of the items that the run keeps.
        conditions: conditions of the run.
        pairs: questions per picture, including its own; 0 without crossed pairs.
    """

    folder: Path
    samples: int
    measured: int
    seconds: float
    items_bytes: int = 0
    conditions: int = len(CONDITIONS)
    pairs: int = 0

    def __str__(self) -> str:
        if not self.measured:
            return f"{self.folder.name}: {self.samples} samples, already complete"
        rate = self.measured * (self.conditions + max(0, self.pairs - 1)) / max(self.seconds, 1e-9)
        earlier = f" and {self.samples - self.measured} from before" if self.measured < self.samples else ""
        crossed = f", {self.pairs} questions per picture," if self.pairs else ""
        speed = f"in {self.seconds:.1f} s ({rate:.0f} {'passes' if self.pairs else 'samples·conditions'}/s)"
        return f"{self.folder.name}: {self.measured} samples{earlier}{crossed} {speed}"


def extract_run(
    adapter: Adapter,
    spec: ModelSpec,
    revision: str | None,
    dataset: Dataset,
    config: ExtractionConfig,
    reporter: Reporter,
    batching: Batching | None = None,
    processes: Processes | None = None,
    series: Series | None = None,
) -> Outcome:
    """Measure a dataset with a model, or finish what an earlier command started.

    Args:
        adapter: the model.
        spec: the model as specified by the user.
        revision: commit of a hub model, or hash of a checkpoint folder.
        dataset: the items.
        config: settings of the extraction.
        reporter: reports progress.
        batching: the batches of all runs of this model; None if this is the only one.
        processes: other processes that also measure shards; None for this one only.
        series: what this run shares with others of the command; None if it is the only one.

    Raises:
        PidError: the folder belongs to something else, the items do not fit the model, or memory or disk are full.
    """
    started = time.monotonic()
    smaller_batches = " (--batch-size 1 may help)" if config.batch_size > 1 else ""
    batching = batching or model_batching(adapter, spec, config, reporter)
    series = series or Series()
    with refuse_misfits(adapter, smaller_batches), explained_machine():
        if dataset.skip_bad:
            dataset = usable_for_run(adapter, spec, dataset, config, reporter)
        run = prepare_run(adapter, spec, revision, dataset, config, series)
        path = run_path(config.out, run.manifest.run)
        if run.splits_letters:
            reporter.note(f"{path.name}: {SPLIT_LETTERS}")
        if few := few_rows_note(len(run.plan.items)):
            reporter.note(f"`{dataset.file}`: {few}")
        with locked(path, "pid-extract"):
            folder = RunFolder(path, run.manifest, _ids(run.plan, config))
            for sentence in folder.found.sentences:
                reporter.note(f"{path.name}: {sentence}")
            if folder.complete:
                measured = 0
                _keep_items(run.plan, folder, dataset, config, reporter)
            else:
                measured = _measure(adapter, run, folder, dataset, config, reporter, batching, processes, series)
            kept = sum((path / name).stat().st_size for name in ITEM_FILES if name in folder.manifest.checksums)
    seconds = time.monotonic() - started
    found = run.manifest
    return Outcome(path, len(run.plan.items), measured, seconds, kept, len(found.conditions), found.pairs)


def _measure(
    adapter: Adapter,
    run: PreparedRun,
    folder: RunFolder,
    dataset: Dataset,
    config: ExtractionConfig,
    reporter: Reporter,
    batching: Batching,
    processes: Processes | None,
    series: Series,
) -> int:
    """Measure what is missing; returns the number of samples measured."""
    if processes is not None:
        processes.start(batching)  # they load the model while this process checks the first items
    with reporter.wait(f"{folder.name}: checking the first items"):
        folder.keep_receipt(_receipt(adapter, run, folder, dataset, config, batching))
    share = RunShare(
        run.plan.items,
        config.shard_size,
        run.plan.candidates,
        run.plan.max_options,
        config.seed,
        folder.manifest.layers,
        folder.manifest.conditions,
        template_name(config, dataset),
        config.language_span,
        run.crossed,
    )
    work = ShardWork(adapter, batching, share, KeptBatches(adapter, series=series.batches), run.swaps)
    stats = noise_stats(work, folder, reporter, processes)
    _keep_items(run.plan, folder, dataset, config, reporter)
    measured = write_shards(work, stats, folder, reporter, processes)
    folder.finish()
    return measured


def _receipt(
    adapter: Adapter,
    run: PreparedRun,
    folder: RunFolder,
    dataset: Dataset,
    config: ExtractionConfig,
    batching: Batching,
) -> Receipt:
    """Make the receipt from the first items; every command that measures something repeats the checks.

    Raises:
        ModelError: a check failed; a folder without measurements is removed.
    """
    try:
        subject = Subject(
            adapter,
            run.plan,
            folder.manifest.layers,
            config.seed,
            batching.rows,
            partial(plan_like_run, adapter, dataset, config),
            folder.manifest.conditions,
            run.swaps,
            () if run.crossed is None else tuple(run.crossed.of(range(len(run.plan.items))[:CHECKED_PICTURES])),
        )
        receipt = make_receipt(subject)
        require(adapter, receipt)
    except (MisfitError, ModelError):
        folder.discard_if_bare()
        raise
    return receipt


def _keep_items(plan: Plan, folder: RunFolder, dataset: Dataset, config: ExtractionConfig, reporter: Reporter) -> None:
    keep_items(folder, [planned.item for planned in plan.items], dataset, files_to_keep(config, dataset), reporter)


def _ids(plan: Plan, config: ExtractionConfig) -> list[list[str]]:
    """Sample ids of every shard."""
    return [[planned.item.id for planned in items] for items in plan.shards(config.shard_size)]


def model_batching(adapter: Adapter, spec: ModelSpec, config: ExtractionConfig, reporter: Reporter) -> Batching:
    """The batching for all runs of a model, according to the settings."""
    workers = config.workers
    if workers is None:
        cores = max(1, len(os.sched_getaffinity(0)) // config.processes) if can_fork() else 1
        workers = usual_workers(adapter.device.type, cores)
    elif workers and not can_fork():
        reporter.note("--workers needs Linux; pictures are prepared in the main process")
        workers = 0
    return Batching(
        config.batch_size,
        config.batch_tokens,
        workers,
        adapter.can_share_prefix,
        lambda message: reporter.note(f"{spec.display_name}: {message}"),
    )


@contextmanager
def explained_machine() -> Iterator[None]:
    """Turn running out of memory on a single sample, or the death of a worker process, into a user error."""
    try:
        yield
    except Exception as error:
        if lost := lost_worker(error):
            message = (
                f"a process that prepares pictures ended ({lost}), perhaps for lack of memory; run the same command "
                "again with fewer --workers, or 0; every whole shard is kept"
            )
            raise ModelError(message) from error
        if isinstance(error, MemoryError) or not out_of_memory(error):  # host memory has its own message
            raise
        message = "out of memory at batch size 1; try --dtype bfloat16, or a --device with more memory"
        raise ModelError(message) from error
