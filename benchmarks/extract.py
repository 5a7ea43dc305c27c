"""Samples per second of `pid-extract` and of three `generate` calls per sample at batch size 1, same model and machine.

The three calls are those of the published scripts: picture and question, noise for vision, noise for language, each
with one new token. Ours measures four conditions, by default all layers, and the pooled features. Decoder tokens per
sample are counted on both sides, padding included, and ours without it; `padding_share_by_text_length` is what batches
would waste that are formed without regard to how many tokens each picture fills. Reading the dataset, loading the model
and the noise statistics are not timed. With `--crossed M`, tokens and seconds of the crossed pairs are counted beside
those of the four conditions.

Example: python -m benchmarks.extract --model DIR --data CARD.toml --items 64 --json
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.machine import describe_machine, peak_host_bytes, torch_device_name
from pid_lvlm.data.errors import PidError
from pid_lvlm.data.names import BOTH, CONDITIONS, LANGUAGE_ONLY, VISION_ONLY
from pid_lvlm.extract.conditions.hooks import edited_inputs
from pid_lvlm.extract.conditions.noise import Arrays, NoiseStats
from pid_lvlm.extract.conditions.replacement import replacement
from pid_lvlm.extract.conditions.sites import SpanMasks
from pid_lvlm.extract.config import DTYPES, Crossing, DatasetSpec, ExtractionConfig, ModelSpec
from pid_lvlm.extract.datasets.images import open_picture
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.datasets.load import load_dataset
from pid_lvlm.extract.measure.batching import Batching
from pid_lvlm.extract.measure.crossed import crossed_arrays
from pid_lvlm.extract.measure.embeddings import measure
from pid_lvlm.extract.measure.measurement import Measurement
from pid_lvlm.extract.models.adapters.base import Adapter, ModelInputs
from pid_lvlm.extract.models.load import load_adapter, pinned
from pid_lvlm.extract.prompts.crossed_plan import plan_crossed
from pid_lvlm.extract.prompts.prompt_plan import Plan, PlannedItem, make_plan
from pid_lvlm.extract.prompts.templates import template_name
from pid_lvlm.extract.run.manifest import run_layers

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


@dataclass
class DecoderTokens:
    """Positions that passes through a decoder's first block computed, and those of them that were not padding."""

    computed: int = 0
    real: int = 0

    @property
    def padding_share(self) -> float:
        """Share of padding, 0 to 1."""
        return 1 - self.real / self.computed


@contextmanager
def counted_tokens(adapter: Adapter) -> Iterator[DecoderTokens]:
    """Counts while it is active. Where a prefix is shared, only what follows it is computed."""
    seen = DecoderTokens()
    given: dict[str, Tensor | None] = {"attention_mask": None}

    def remember(_module: nn.Module, _args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given["attention_mask"] = kwargs.get("attention_mask")

    def count(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        states = args[0] if args else kwargs["hidden_states"]
        mask = given["attention_mask"]
        positions = states.shape[0] * states.shape[1]
        seen.computed += positions
        seen.real += positions if mask is None else int(mask[:, -states.shape[1] :].sum())

    with ExitStack() as stack:
        for module, hook in ((adapter.model, remember), (adapter.layers[0], count)):
            stack.callback(module.register_forward_pre_hook(hook, with_kwargs=True).remove)
        yield seen


def fastest(work: Callable[[], object], repeat: int, device: str) -> float:
    """Seconds of the fastest of some repetitions, the device idle at both ends."""
    seconds = []
    for _ in range(repeat):
        started = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def same_answers(generated: Sequence[Sequence[int]], measured: Any) -> float:
    """Share of first tokens on which both agree; our columns are named by `pid_lvlm.data.names.CONDITIONS`."""
    columns = [CONDITIONS.index(name) for name in (BOTH, VISION_ONLY, LANGUAGE_ONLY)]
    return float((np.asarray(measured)[:, columns] == np.asarray(generated)).mean())


def largest_difference(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Of two arrays of scores, nats; options that an item does not have are -inf in both."""
    known = np.isfinite(other)
    return float(np.abs(one[known] - other[known]).max())


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
    started = time.perf_counter()
    batching = Batching(config.batch_size, config.batch_tokens)
    stats = measure(adapter, plan.items, batching, lambda _: None)
    statistics_seconds = time.perf_counter() - started
    layers = run_layers(spec, config, adapter)
    measurement = Measurement(adapter, plan.candidates, stats, config.seed, layers)
    with counted_tokens(adapter) as our_tokens:
        arrays = measurement.shard(plan.items, batching, lambda _: None)
    with counted_tokens(adapter) as by_text:
        measurement.shard([replace(item, picture_tokens=0) for item in plan.items], batching, lambda _: None)
    with counted_tokens(adapter) as their_tokens:
        generated = [generate_three(adapter, item, stats, config.seed) for item in plan.items]
    alone = replace(measurement, share_prefix=False).shard(plan.items, batching, lambda _: None)
    ours = fastest(lambda: measurement.shard(plan.items, batching, lambda _: None), given.repeat, device)
    theirs = fastest(
        lambda: [generate_three(adapter, item, stats, config.seed) for item in plan.items], given.repeat, device
    )
    count = len(plan.items)
    shard = partial(measurement.shard, plan.items, batching, lambda _: None)
    crossed = {} if given.crossed is None else crossed_cost(measurement, plan, dataset, given, shard)
    return {
        "benchmark": "extract",
        "model": spec.display_name,
        "dataset": dataset.name,
        "items": count,
        "batch_size": config.batch_size,
        "batch_tokens": config.batch_tokens,
        "layers": len(layers),
        "our_samples_per_second": count / ours,
        "baseline_samples_per_second": count / theirs,
        "ratio": theirs / ours,
        "our_decoder_tokens_per_sample": our_tokens.computed / count,
        "our_real_tokens_per_sample": our_tokens.real / count,
        "padding_share": our_tokens.padding_share,
        "padding_share_by_text_length": by_text.padding_share,
        "baseline_decoder_tokens_per_sample": their_tokens.computed / count,
        "shares_prefix": adapter.can_share_prefix,
        "largest_difference_by_sharing": largest_difference(arrays["loglik"], alone["loglik"]),
        "our_conditions": len(CONDITIONS),
        "baseline_conditions": 3,
        "same_first_tokens": same_answers(generated, arrays["first_token"]),
        "statistics_seconds": statistics_seconds,
        **crossed,
        "repeat": given.repeat,
        "peak_host_bytes": peak_host_bytes(),
        "peak_device_bytes": torch.cuda.max_memory_allocated() if device == "cuda" else None,
        "device": torch_device_name(device),
        "dtype": str(adapter.model.dtype).removeprefix("torch."),
        **describe_machine(LIBRARIES),
    }


def crossed_cost(
    measurement: Measurement,
    plan: Plan,
    dataset: Dataset,
    given: argparse.Namespace,
    conditions: Callable[[], Arrays],
) -> dict[str, float]:
    """What the crossed pairs cost beside the four conditions.

    Args:
        measurement: how items are measured.
        plan: the items, planned.
        dataset: the items.
        given: the options.
        conditions: measures the four conditions.
    """
    adapter, count = measurement.adapter, len(plan.items)
    crossed = plan_crossed(adapter, dataset, plan, Crossing(given.crossed), measurement.seed)
    both = conditions()["loglik"][:, CONDITIONS.index(BOTH)]
    batching = Batching(given.batch_size, given.batch_tokens)

    def pairs() -> None:
        crossed_arrays(measurement, crossed, range(count), both, batching, lambda _: None)

    with counted_tokens(adapter) as tokens:
        pairs()
    seconds = {
        name: fastest(work, given.repeat, adapter.device.type)
        for name, work in (("conditions", conditions), ("crossed", pairs))
    }
    return {
        "crossed_pairs": given.crossed,
        "crossed_decoder_tokens_per_sample": tokens.computed / count,
        "crossed_real_tokens_per_sample": tokens.real / count,
        "crossed_seconds": seconds["crossed"],
        "conditions_seconds": seconds["conditions"],
        "crossed_over_conditions": seconds["crossed"] / seconds["conditions"],
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
    parser.add_argument("--crossed", type=int, metavar="M", help="also the cost of M questions of each picture")
    parser.add_argument("--layers", default="all", help="layers that ours reads: all, last, or numbers")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", choices=DTYPES)
    parser.add_argument("--repeat", type=int, default=3, help="of both, after one that warms up; the fastest counts")
    parser.add_argument("--json", action="store_true", help="one line instead of one field per line")
    given = parser.parse_args(arguments)
    try:
        found = compare(given)
    except PidError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(found, indent=None if given.json else 2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
