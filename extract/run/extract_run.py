"""One run: one model on one dataset, from items to a finished run folder."""

import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import torch

from pid_lvlm.data.names import CONDITIONS
from pid_lvlm.extract.config import ExtractionConfig, ModelSpec
from pid_lvlm.extract.datasets.item import Dataset, Item
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.measure.embeddings import batch_moments, measure
from pid_lvlm.extract.measure.measurement import Measurement, choose_candidates, lens_difference
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.registry import refused
from pid_lvlm.extract.prompts.prompt_plan import Plan, PlannedItem, make_plan
from pid_lvlm.extract.prompts.templates import template_name
from pid_lvlm.extract.run.leak_test import check_leaks
from pid_lvlm.extract.run.manifest import describe_run, run_layers
from pid_lvlm.extract.run.progress import Reporter
from pid_lvlm.extract.run.run_folder import RunFolder

CALIBRATION_ITEMS: Final = 32
"""Items on which the spelling of the letters is chosen."""

SPLIT_LETTERS: Final = (
    "the tokenizer splits the option letters; an option's score is the mean over its tokens, and accuracy_strict sees "
    "only the first"
)

LENS_TOLERANCE: Final = {"float32": 1e-3, "float16": 0.1, "bfloat16": 0.5}
"""Largest logit difference between last lens layer and output that is still rounding."""


BROKEN: Final = (AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What an adapter raises that does not fit its model."""


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
    plan = make_plan(adapter, dataset, template_name(config, dataset), config.language_span)
    head = plan.items[:CALIBRATION_ITEMS]
    try:
        _check_lens(adapter, plan)
        candidates = choose_candidates(adapter, plan.variants, head, config.batch_size)
        probe = batch_moments(adapter, head[:1])
        manifest = describe_run(adapter, spec, revision, dataset, config, plan, candidates, probe)
        folder = RunFolder(config.out / manifest.run, manifest)
        if any(len(ids) > 1 for ids in candidates.ids):
            reporter.say(f"note: {manifest.run}: {SPLIT_LETTERS}")
        if folder.finished:
            return Outcome(folder.folder, len(plan.items), 0, time.monotonic() - started)
        stats = folder.noise_stats([site.name for site in adapter.sites])
        if stats is None:
            try:
                with reporter.task(f"{manifest.run}: noise statistics", len(plan.items)) as advance:
                    stats = measure(adapter, plan.items, config.batch_size, advance)
            except ModelError:  # a picture that the processor refuses
                folder.discard_if_bare()
                raise
            folder.write_noise_stats(stats)
        layers = run_layers(spec, config, adapter)
        measurement = Measurement(adapter, candidates, stats, config.seed, layers, plan.max_options)
        if not adapter.leak_tested:
            check_leaks(measurement, dataset.items, partial(_plan_items, adapter, dataset, config))
        measured = _write_shards(measurement, plan, folder, config, reporter)
    except torch.OutOfMemoryError as error:
        smaller = max(1, config.batch_size // 2)
        message = f"out of memory at batch size {config.batch_size}; try --batch-size {smaller} or --dtype bfloat16"
        raise ModelError(message) from error
    except BROKEN as error:
        if adapter.leak_tested:
            raise
        alone = " (--batch-size 1 may help)" if config.batch_size > 1 else ""
        why = f"stops with {type(error).__name__}: {str(error).partition(chr(10))[0]}{alone}"
        raise refused(adapter.model.config.model_type, why) from error
    folder.finish()
    return Outcome(folder.folder, len(plan.items), measured, time.monotonic() - started)


def _plan_items(
    adapter: Adapter, dataset: Dataset, config: ExtractionConfig, items: tuple[Item, ...]
) -> tuple[PlannedItem, ...]:
    """Other items planned as the run's own."""
    chosen = replace(dataset, items=items)
    return make_plan(adapter, chosen, template_name(config, dataset), config.language_span).items


def _check_lens(adapter: Adapter, plan: Plan) -> None:
    """The lens of the last layer must be the model's output, or every layer's numbers would be wrong."""
    difference = lens_difference(adapter, plan.items[:1])
    dtype = str(adapter.model.dtype).removeprefix("torch.")
    if not difference <= LENS_TOLERANCE.get(dtype, 0.5):
        message = (
            f"the last layer read through norm and head differs from the model's logits by {difference:.3g}; "
            "the adapter does not fit this checkpoint"
        )
        raise ModelError(message)


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
    with reporter.task(f"{folder.folder.name}: {len(CONDITIONS)} conditions", total) as advance:
        for index, items in missing:
            folder.write_shard(index, measurement.shard(items, config.batch_size, advance))
    return total
