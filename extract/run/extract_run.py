"""One run: one model on one dataset, from items to a finished run folder, in three steps.

Prepare (`pid_lvlm.extract.run.prepare`), then the statistics of the replacement noise, then the shards.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import torch

from pid_lvlm.data.names import CONDITIONS
from pid_lvlm.extract.conditions.noise import NoiseStats
from pid_lvlm.extract.config import ExtractionConfig, ModelSpec
from pid_lvlm.extract.datasets.item import Dataset, Item
from pid_lvlm.extract.datasets.row_counts import few_rows_note
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.measure.embeddings import measure
from pid_lvlm.extract.measure.measurement import Measurement
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.misfit import refuse_misfits
from pid_lvlm.extract.prompts.prompt_plan import Plan, PlannedItem, make_plan
from pid_lvlm.extract.prompts.templates import template_name
from pid_lvlm.extract.run.check_data import usable_for_run
from pid_lvlm.extract.run.leak_test import check_leaks
from pid_lvlm.extract.run.prepare import PreparedRun, prepare_run
from pid_lvlm.extract.run.progress import Reporter, run_passes
from pid_lvlm.extract.run.run_folder import RunFolder

SPLIT_LETTERS: Final = (
    "the tokenizer splits the option letters; an option's score is the mean over its tokens, and accuracy_strict sees "
    "only the first"
)


@dataclass(frozen=True)
class Outcome:
    """What became of one run: its folder, samples, those measured now, and seconds."""

    folder: Path
    samples: int
    measured: int
    seconds: float

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
    with _explained_memory(config.batch_size), refuse_misfits(adapter, smaller_batches):
        if dataset.skip_bad:
            dataset = usable_for_run(adapter, spec, dataset, config, reporter)
        run = prepare_run(adapter, spec, revision, dataset, config)
        if run.splits_letters:
            reporter.note(f"{run.folder.name}: {SPLIT_LETTERS}")
        if few := few_rows_note(len(run.plan.items)):
            reporter.note(f"`{dataset.file}`: {few}")
        measured = 0
        if not run.folder.finished:
            stats = _noise_stats(adapter, run, config, reporter)
            layers = run.folder.manifest.layers
            measurement = Measurement(adapter, run.candidates, stats, config.seed, layers, run.plan.max_options)
            if not adapter.leak_tested:
                check_leaks(measurement, dataset.items, partial(_plan_items, adapter, dataset, config))
            measured = _write_shards(measurement, run.plan, run.folder, config, reporter)
            run.folder.finish()
    return Outcome(run.folder.path, len(run.plan.items), measured, time.monotonic() - started)


@contextmanager
def _explained_memory(batch_size: int) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        smaller = max(1, batch_size // 2)
        message = f"out of memory at batch size {batch_size}; try --batch-size {smaller} or --dtype bfloat16"
        raise ModelError(message) from error


def _noise_stats(adapter: Adapter, run: PreparedRun, config: ExtractionConfig, reporter: Reporter) -> NoiseStats:
    """Statistics of the replacement noise: those in the folder, or measured now and written there."""
    stats = run.folder.noise_stats([site.name for site in adapter.sites])
    if stats is not None:
        return stats
    try:
        count = len(run.plan.items)
        with reporter.task(f"{run.folder.name}: noise statistics", count, left=run_passes(count)) as advance:
            stats = measure(adapter, run.plan.items, config.batch_size, advance)
    except ModelError:  # an image that the processor refuses
        run.folder.discard_if_bare()
        raise
    run.folder.write_noise_stats(stats)
    return stats


def _write_shards(
    measurement: Measurement, plan: Plan, folder: RunFolder, config: ExtractionConfig, reporter: Reporter
) -> int:
    """Measure the shards that are missing; returns the number of samples measured."""
    missing = [
        (index, items)
        for index, items in enumerate(plan.shards(config.shard_size))
        if not folder.has_shard(index, [planned.item.id for planned in items])
    ]
    total = sum(len(items) for _, items in missing)
    with reporter.task(f"{folder.name}: {len(CONDITIONS)} conditions", total, passes=len(CONDITIONS)) as advance:
        for index, items in missing:
            folder.write_shard(index, measurement.shard(items, config.batch_size, advance))
    return total


def _plan_items(
    adapter: Adapter, dataset: Dataset, config: ExtractionConfig, items: tuple[Item, ...]
) -> tuple[PlannedItem, ...]:
    """Other items planned as the run's own."""
    chosen = replace(dataset, items=items)
    return make_plan(adapter, chosen, template_name(config, dataset), config.language_span).items
