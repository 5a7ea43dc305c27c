"""Samples per second of `pid-extract` and of three `generate` calls per sample, with the same model and machine.

The three calls are those of the published scripts: picture and question, noise for vision, noise for language, each at
batch size 1 with one new token. Ours measures four conditions, by default all layers, and the pooled features. Decoder
tokens per sample are counted on both sides including padding, and for ours also without; `padding_share_by_text_length`
is what batches would waste if formed without regard to the number of tokens of each picture. A plain batched forward of
the same prompts gives the cost of a decoder token without this project, and a product of large matrices the device's
peak. Reading the dataset, loading the model and the noise statistics are not timed. With `--crossed M`, tokens and
seconds of the crossed pairs are counted in addition to those of the four conditions.

Example: python -m benchmarks.extract --model DIR --data CARD.toml --items 64 --json
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.baselines.floor import forward_plainly, matmul_peak
from benchmarks.measuring.decoder_tokens import DecoderTokens, counted_tokens, timed
from benchmarks.measuring.further_conditions import ablation_cost, crossed_cost, largest_difference
from benchmarks.measuring.machine import describe_machine, peak_host_bytes, torch_device_name
from pid_lvlm.data.errors import PidError
from pid_lvlm.data.names import BOTH, CONDITIONS, LANGUAGE_ONLY, VISION_ONLY
from pid_lvlm.extract.conditions.hooks import edited_inputs
from pid_lvlm.extract.conditions.noise import NoiseStats
from pid_lvlm.extract.conditions.replacement import replacement
from pid_lvlm.extract.conditions.sites import SpanMasks
from pid_lvlm.extract.config import DTYPES, Crossing, DatasetSpec, ExtractionConfig, ModelSpec
from pid_lvlm.extract.datasets.images import open_picture
from pid_lvlm.extract.datasets.load import load_dataset
from pid_lvlm.extract.measure.batching import Batching
from pid_lvlm.extract.measure.embeddings import measure
from pid_lvlm.extract.measure.measurement import Measurement
from pid_lvlm.extract.models.adapters.base import Adapter, ModelInputs
from pid_lvlm.extract.models.load import load_adapter, pinned
from pid_lvlm.extract.prompts.crossed_plan import plan_crossed
from pid_lvlm.extract.prompts.prompt_plan import Plan, PlannedItem, make_plan
from pid_lvlm.extract.prompts.templates import template_name
from pid_lvlm.extract.run.contents.manifest import run_layers
from pid_lvlm.extract.run.malloc import keep_freed_memory

LIBRARIES = ("pid-lvlm", "torch", "transformers", "numpy")


@torch.inference_mode()
def generate_three(adapter: Adapter, item: PlannedItem, stats: NoiseStats, seed: int) -> list[int]:
    """The first token of one item under three conditions, one `generate` call each."""
    inputs = adapter.encode([item.prompt], [open_picture(item.item.picture)])
    masks = span_masks(adapter, inputs, item)
    ablated = (VISION_ONLY, LANGUAGE_ONLY)
    edits = [replacement(adapter.sites, masks, stats, seed, [item.item.id], condition) for condition in ablated]
    tokens = []
    for edit in (dict, *edits):
        with edited_inputs(adapter.decoder, edit):
            tokens.append(int(adapter.model.generate(**inputs, max_new_tokens=1, do_sample=False)[0, -1]))
    return tokens


def span_masks(adapter: Adapter, inputs: ModelInputs, item: PlannedItem) -> SpanMasks:
    """The two spans of one encoded item."""
    vision = adapter.visual_mask(inputs)
    language = torch.zeros_like(vision)
    start, end = item.span.bounds(vision.shape[1])
    language[:, start:end] = True
    return SpanMasks(vision, language)


def same_answers(generated: Sequence[Sequence[int]], measured: Any) -> float:
    """Share of first tokens on which both agree; our columns are named by `pid_lvlm.data.names.CONDITIONS`."""
    columns = [CONDITIONS.index(name) for name in (BOTH, VISION_ONLY, LANGUAGE_ONLY)]
    return float((np.asarray(measured)[:, columns] == np.asarray(generated)).mean())


def padding_by_text(measurement: Measurement, plan: Plan, seen: DecoderTokens, batching: Batching) -> float:
    """Share of padding in batches formed as if all pictures had the same number of tokens.

    Args:
        measurement: how items are measured.
        plan: the items, planned.
        seen: tokens of the batches formed by text and picture; the result if all pictures do have the same number.
        batching: how batches are formed.
    """
    if batching.tokens is None and len({planned.picture_tokens for planned in plan.items}) == 1:
        return seen.padding_share
    with counted_tokens(measurement.adapter) as tokens:
        measurement.shard([replace(item, picture_tokens=0) for item in plan.items], batching, lambda _: None)
    return tokens.padding_share


def compare(given: argparse.Namespace) -> dict[str, Any]:
    """Run both and return the line to print.

    Raises:
        PidError: model or dataset cannot be used.
    """
    spec = pinned(ModelSpec(given.model, dtype=given.dtype, device=given.device))
    dataset = load_dataset(DatasetSpec(given.data), given.items)
    config = ExtractionConfig(Path(), layers=given.layers, batch_size=given.batch_size, batch_tokens=given.batch_tokens)
    adapter = load_adapter(spec)
    device = adapter.device.type
    plan = make_plan(adapter, dataset, template_name(config, dataset), config.language_span)
    pairs = (
        None if given.crossed is None else plan_crossed(adapter, dataset, plan, Crossing(given.crossed), config.seed)
    )
    started = time.perf_counter()
    batching = Batching(config.batch_size, config.batch_tokens, by_picture=adapter.can_share_prefix)
    stats = measure(adapter, [plan.items], batching, lambda _: None)
    statistics_seconds = time.perf_counter() - started
    layers = run_layers(spec, config, adapter)
    measurement = Measurement(adapter, plan.candidates, stats, config.seed, layers)
    count = len(plan.items)
    shard = partial(measurement.shard, plan.items, batching, lambda _: None)
    run = partial(timed, adapter, repeat=given.repeat)
    ours = run(shard)
    theirs = run(lambda: [generate_three(adapter, item, stats, config.seed) for item in plan.items])
    plain = run(lambda: forward_plainly(adapter, plan.items, config.batch_size, config.batch_tokens))
    unshared = replace(measurement, share_prefix=False).shard(plan.items, batching, lambda _: None)
    peak = matmul_peak(device, adapter.model.dtype, given.repeat)
    crossed = {} if pairs is None else crossed_cost(measurement, pairs, given, ours)
    template = template_name(config, dataset)
    ablations = {} if not given.ablation else ablation_cost(measurement, plan, template, given.ablation, batching)
    return {
        "benchmark": "extract",
        "model": spec.display_name,
        "dataset": dataset.name,
        "items": count,
        "batch_size": config.batch_size,
        "batch_tokens": config.batch_tokens,
        "layers": len(layers),
        "our_samples_per_second": count / ours.seconds,
        "baseline_samples_per_second": count / theirs.seconds,
        "ratio": theirs.seconds / ours.seconds,
        "ratio_of_operations": theirs.operations / ours.operations,
        "our_decoder_tokens_per_sample": ours.tokens.computed / count,
        "our_real_tokens_per_sample": ours.tokens.real / count,
        "padding_share": ours.tokens.padding_share,
        "padding_share_by_text_length": padding_by_text(measurement, plan, ours.tokens, batching),
        "baseline_decoder_tokens_per_sample": theirs.tokens.computed / count,
        "items_per_picture": count / len({planned.item.picture for planned in plan.items}),
        "our_seconds_per_decoder_token": ours.seconds / ours.tokens.computed,
        "plain_forward_seconds_per_decoder_token": plain.seconds / plain.tokens.computed,
        "our_operations_per_sample": ours.operations / count,
        "matmul_peak_per_second": peak,
        "share_of_peak": ours.operations / ours.seconds / peak,
        "shares_prefix": adapter.can_share_prefix,
        "largest_difference_by_sharing": largest_difference(ours.result["loglik"], unshared["loglik"]),
        "our_conditions": len(CONDITIONS),
        "baseline_conditions": 3,
        "same_first_tokens": same_answers(theirs.result, ours.result["first_token"]),
        "statistics_seconds": statistics_seconds,
        **crossed,
        **ablations,
        "repeat": given.repeat,
        "peak_host_bytes": peak_host_bytes(),
        "peak_device_bytes": torch.cuda.max_memory_allocated() if device == "cuda" else None,
        "device": torch_device_name(device),
        "dtype": str(adapter.model.dtype).removeprefix("torch."),
        **describe_machine(LIBRARIES),
    }


def main(arguments: list[str] | None = None) -> int:
    """Print the comparison."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.extract", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="hub id or checkpoint folder")
    parser.add_argument("--data", type=Path, required=True, help="benchmark file or dataset card")
    parser.add_argument("--items", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--batch-tokens", type=int)
    parser.add_argument("--crossed", type=int, metavar="M", help="also the cost of M questions per picture")
    parser.add_argument("--layers", default="all", help="layers read by ours: all, last, or numbers")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", choices=DTYPES)
    parser.add_argument(
        "--repeat",
        type=int,
        default=3,
        help="timed runs of each side after one that is counted and warms up; the fastest is reported. 0 times the "
        "counted run, for models whose passes take minutes",
    )
    parser.add_argument("--ablation", nargs="*", metavar="NAME", help="also the decoder tokens of further ablations")
    parser.add_argument("--json", action="store_true", help="one line instead of one field per line")
    given = parser.parse_args(arguments)
    keep_freed_memory()  # like the command, but for both sides
    try:
        found = compare(given)
    except PidError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(found, indent=None if given.json else 2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
