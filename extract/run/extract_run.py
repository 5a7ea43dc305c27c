"""One run: one model on one dataset, from items to a finished run folder, in three steps.

Prepare (`pid_lvlm.extract.run.prepare`), then the statistics of the replacement noise, then the shards.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import torch

from pid_lvlm.data.contract.receipt import Receipt
from pid_lvlm.data.locks import locked
from pid_lvlm.data.names import CONDITIONS, ITEM_FILES, shard_file
from pid_lvlm.extract.conditions.noise import NoiseStats
from pid_lvlm.extract.config import ExtractionConfig, ModelSpec
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.datasets.row_counts import few_rows_note
from pid_lvlm.extract.errors import MisfitError, ModelError
from pid_lvlm.extract.measure.embeddings import measure
from pid_lvlm.extract.measure.measurement import Measurement
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.misfit import refuse_misfits
from pid_lvlm.extract.prompts.prompt_plan import Plan
from pid_lvlm.extract.run.check_data import usable_for_run
from pid_lvlm.extract.run.keep_items import files_to_keep, keep_items
from pid_lvlm.extract.run.prepare import PreparedRun, prepare_run
from pid_lvlm.extract.run.progress import Reporter, run_passes
from pid_lvlm.extract.run.receipt import Subject, make_receipt, plan_like_run
from pid_lvlm.extract.run.receipt_verdict import require
from pid_lvlm.extract.run.run_folder import RunFolder, run_path

SPLIT_LETTERS: Final = (
    "the tokenizer splits the option letters; an option's score is the mean over its tokens, and accuracy_strict sees "
    "only the first"
)

OTHER_BYTES: Final = (
    "was measured again and is not the same to the last bit; another machine, --batch-size or number of threads rounds "
    "otherwise"
)


@dataclass(frozen=True)
class Outcome:
    """What became of one run: its folder, samples, those measured now, seconds, and bytes of the items it keeps."""

    folder: Path
    samples: int
    measured: int
    seconds: float
    items_bytes: int = 0

    def __str__(self) -> str:
        if not self.measured:
            return f"{self.folder.name}: {self.samples} samples, already complete"
        rate = self.measured * len(CONDITIONS) / max(self.seconds, 1e-9)
        earlier = f" and {self.samples - self.measured} from before" if self.measured < self.samples else ""
        speed = f"in {self.seconds:.1f} s ({rate:.0f} samples·conditions/s)"
        return f"{self.folder.name}: {self.measured} samples{earlier} {speed}"


def extract_run(
    adapter: Adapter,
    spec: ModelSpec,
    revision: str | None,
    dataset: Dataset,
    config: ExtractionConfig,
    reporter: Reporter,
) -> Outcome:
    """Measure a dataset with a model, or finish what an earlier command began.

    Raises:
        PidError: the folder is not ours, the items do not fit the model, or memory or disk are full.
    """
    started = time.monotonic()
    smaller_batches = " (--batch-size 1 may help)" if config.batch_size > 1 else ""
    with explained_memory(config.batch_size), refuse_misfits(adapter, smaller_batches):
        if dataset.skip_bad:
            dataset = usable_for_run(adapter, spec, dataset, config, reporter)
        run = prepare_run(adapter, spec, revision, dataset, config)
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
                measured = _measure(adapter, run, folder, dataset, config, reporter)
            kept = sum((path / name).stat().st_size for name in ITEM_FILES if name in folder.manifest.checksums)
    return Outcome(path, len(run.plan.items), measured, time.monotonic() - started, kept)


def _measure(
    adapter: Adapter,
    run: PreparedRun,
    folder: RunFolder,
    dataset: Dataset,
    config: ExtractionConfig,
    reporter: Reporter,
) -> int:
    """Measure what is missing; returns the number of samples measured."""
    with reporter.wait(f"{folder.name}: checking the first items"):
        folder.keep_receipt(_receipt(adapter, run, folder, dataset, config))
    stats = _noise_stats(adapter, run.plan, folder, config, reporter)
    layers = folder.manifest.layers
    measurement = Measurement(adapter, run.candidates, stats, config.seed, layers, run.plan.max_options)
    _keep_items(run.plan, folder, dataset, config, reporter)
    measured = _write_shards(measurement, run.plan, folder, config, reporter)
    folder.finish()
    return measured


def _receipt(
    adapter: Adapter, run: PreparedRun, folder: RunFolder, dataset: Dataset, config: ExtractionConfig
) -> Receipt:
    """What the first items show; every command that measures something checks anew.

    Raises:
        ModelError: a check failed; a folder without measurements is removed.
    """
    try:
        subject = Subject(
            adapter,
            run.plan,
            run.candidates,
            folder.manifest.layers,
            config.seed,
            config.batch_size,
            partial(plan_like_run, adapter, dataset, config),
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


@contextmanager
def explained_memory(batch_size: int) -> Iterator[None]:
    """Turn memory that runs out into a sentence.

    Raises:
        ModelError: with the batch size to try.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        smaller = max(1, batch_size // 2)
        message = f"out of memory at batch size {batch_size}; try --batch-size {smaller} or --dtype bfloat16"
        raise ModelError(message) from error


def _noise_stats(
    adapter: Adapter, plan: Plan, folder: RunFolder, config: ExtractionConfig, reporter: Reporter
) -> NoiseStats:
    """Statistics of the replacement noise: those in the folder, or measured now and written there."""
    stats = folder.noise_stats([site.name for site in adapter.sites])
    if stats is not None:
        return stats
    try:
        count = len(plan.items)
        with reporter.task(f"{folder.name}: noise statistics", count, left=run_passes(count)) as advance:
            stats = measure(adapter, plan.items, config.batch_size, advance)
    except ModelError:  # an image that the processor refuses
        folder.discard_if_bare()
        raise
    folder.write_noise_stats(stats)
    return stats


def _write_shards(
    measurement: Measurement, plan: Plan, folder: RunFolder, config: ExtractionConfig, reporter: Reporter
) -> int:
    """Measure the shards that are missing; returns the number of samples measured."""
    missing = [
        (index, items) for index, items in enumerate(plan.shards(config.shard_size)) if index not in folder.found.kept
    ]
    total = sum(len(items) for _, items in missing)
    with reporter.task(f"{folder.name}: {len(CONDITIONS)} conditions", total, passes=len(CONDITIONS)) as advance:
        for index, items in missing:
            if not folder.write_shard(index, measurement.shard(items, config.batch_size, advance)):
                reporter.note(f"{folder.name}: `{shard_file(index)}` {OTHER_BYTES}")
    return total
