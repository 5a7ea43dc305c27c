"""The text of `--dry-run`: counts, names, memory, and the first item as the model will see it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch

from pid_lvlm.data.command.shown import count
from pid_lvlm.data.names import shard_file
from pid_lvlm.extract.config import ExtractionConfig, ModelSpec, crossing_of
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.datasets.row_counts import describe_enough_rows
from pid_lvlm.extract.measure.encode import item_picture, prepared
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.load import resolve_device
from pid_lvlm.extract.prompts.crossed_plan import CrossedPlan, plan_crossed
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem, batches, make_plan
from pid_lvlm.extract.prompts.swaps import plan_swaps
from pid_lvlm.extract.prompts.templates import template_name
from pid_lvlm.extract.run.contents.conditions import run_conditions
from pid_lvlm.extract.run.contents.keep_items import files_to_keep, plan_kept
from pid_lvlm.extract.run.contents.manifest import planned_settings, run_layers
from pid_lvlm.extract.run.contents.run_folder import describe_existing, run_path
from pid_lvlm.extract.run.sharing.devices import cpu_threads, process_devices

BYTES: Final = {"float32": 4, "bfloat16": 2, "float16": 2}
STATES_PER_TOKEN: Final = 12
"""Hidden-sized tensors that one decoder block holds at its peak: residual, norm, q, k, v, attention, MLP."""


@dataclass(frozen=True)
class DryRun:
    """The plan of a run.

    Attributes:
        text: the plan as text.
        items_bytes: estimated size of the kept items.
    """

    text: str
    items_bytes: int


def describe_plan(adapter: Adapter, spec: ModelSpec, dataset: Dataset, config: ExtractionConfig) -> DryRun:
    """Plan of one run. `adapter` may hold a model without weights.

    Raises:
        PidError: the items do not fit the model.
    """
    plan = make_plan(adapter, dataset, template_name(config, dataset), config.language_span, config.letters)
    crossing = crossing_of(spec, config)
    crossed = None if crossing is None else plan_crossed(adapter, dataset, plan, crossing, config.seed)
    conditions = run_conditions(spec, config)
    plan_swaps(adapter, plan.items, conditions, template_name(config, dataset), config.language_span, config.seed)
    first = plan.items[0]
    visual = int(adapter.visual_mask(prepared(adapter, adapter.process, [first], [item_picture(first.item)])).sum())
    shards = plan.shards(config.shard_size)
    formed = _formed(shards, config, visual, adapter.can_share_prefix)
    pairs = _formed_pairs(crossed, config, visual, adapter.can_share_prefix)
    layers = run_layers(spec, config, adapter)
    folder = run_path(config.out, spec.run_name(dataset.name))
    settings = planned_settings(adapter, spec, dataset, config, plan)
    wanted = files_to_keep(config, dataset)
    kept = plan_kept([planned.item for planned in plan.items], dataset, wanted)
    ids = [[planned.item.id for planned in shard] for shard in shards]
    found = describe_existing(folder, settings, ids, wanted)
    lines = [
        f"run {folder}",
        f"  found       {found}",
        f"  items       {len(plan.items)} of {dataset.name}, up to {plan.max_options} options, "
        f"{len({planned.item.group for planned in plan.items})} groups",
        *(f"  {line}" for line in dataset.rows.lines(len(plan.items))),
        f"  estimate    {describe_enough_rows(len(plan.items))}",
        f"  files       {shard_file(0)} … {shard_file(len(shards) - 1)} ({config.shard_size} samples each)",
        f"  kept        {kept.text}" + (f" (about {_size(kept.size)}; --keep-items)" if kept.size else ""),
        f"  passes      {len(formed)} batches of up to {max(batch.rows for batch in formed)}, "
        f"{len(conditions)} conditions each ({len(formed) * len(conditions)} passes); "
        f"{_padding_share(formed):.0%} of their tokens is padding",
        f"  conditions  {', '.join(conditions)}",
        *([] if crossed is None else _crossed_lines(crossed, pairs, plan.max_options, len(layers), len(conditions))),
        f"  layers      {', '.join(map(str, layers))} of {len(adapter.layers)}",
        *_memory_lines(adapter, spec, config, max([*formed, *pairs], key=lambda batch: batch.positions)),
        *_process_lines(spec, config, len(shards)),
        *_first_item_lines(adapter, first, visual),
        f"  letters     {plan.candidates.listed()}",
        *(f"  note        {note}" for note in dataset.notes),
    ]
    return DryRun("\n".join(lines), kept.size)


@dataclass(frozen=True)
class Formed:
    """A planned batch: its number of items, the longest, and the tokens of all, as far as known."""

    rows: int
    longest: int
    tokens: int

    @property
    def positions(self) -> int:
        """Positions that the decoder computes for it in a pass over whole prompts."""
        return self.rows * self.longest


def _formed(
    shards: Sequence[Sequence[PlannedItem]], config: ExtractionConfig, visual: int, by_picture: bool
) -> list[Formed]:
    """All batches; a picture with an unknown number of tokens counts as `visual` tokens."""
    return [
        batch
        for shard in shards
        for batch in _batches_of(
            shard, batches(shard, config.batch_size, config.batch_tokens, by_picture=by_picture), visual
        )
    ]


def _batches_of(items: Sequence[PlannedItem], formed: Sequence[Sequence[int]], visual: int) -> list[Formed]:
    found = []
    for batch in formed:
        lengths = [items[index].length + (0 if items[index].picture_tokens else visual) for index in batch]
        found.append(Formed(len(batch), max(lengths), sum(lengths)))
    return found


def _formed_pairs(crossed: CrossedPlan | None, config: ExtractionConfig, visual: int, by_picture: bool) -> list[Formed]:
    """All batches of crossed pairs."""
    if crossed is None:
        return []
    count = len(crossed.items)
    starts = range(0, count, config.shard_size)
    shards = [crossed.of(range(start, min(count, start + config.shard_size))) for start in starts]
    return _formed(shards, config, visual, by_picture)


def _crossed_lines(
    crossed: CrossedPlan, formed: Sequence[Formed], options: int, layers: int, conditions: int
) -> list[str]:
    """A line about crossed pairs: their number, the passes over them, and the size added to the files."""
    count, pairs = crossed.partner.shape
    size = count * pairs * (layers * options * 4 + crossed.partner.itemsize)
    return [
        f"  crossed     {count * pairs} pairs, {pairs} questions per picture: {count * (pairs - 1)} passes on top of "
        f"the {count * conditions} of the conditions, in {len(formed)} batches of up to "
        f"{max(batch.rows for batch in formed)}; {_padding_share(formed):.0%} of their tokens is padding; "
        f"{_size(size)} in the files"
    ]


def _padding_share(formed: Sequence[Formed]) -> float:
    return 1 - sum(batch.tokens for batch in formed) / sum(batch.positions for batch in formed)


def _memory_lines(adapter: Adapter, spec: ModelSpec, config: ExtractionConfig, batch: Formed) -> list[str]:
    """The exact size of the weights, and rough working memory: one block's states, a batch's logits and kept keys."""
    text: Any = adapter.model.config.get_text_config()
    device = resolve_device(spec.device)
    dtype = spec.dtype or ("float32" if device == "cpu" else str(text.dtype or torch.float32).removeprefix("torch."))
    weights = sum(parameter.numel() for parameter in adapter.model.parameters()) * BYTES[dtype]
    states = batch.positions * text.hidden_size * STATES_PER_TOKEN * BYTES[dtype]
    layers = run_layers(spec, config, adapter)
    logits = batch.rows * text.vocab_size * 4 * min(len(layers), 2)
    kept = batch.positions * _cached_per_token(text) * BYTES[dtype] if adapter.can_share_prefix else 0
    return [
        f"  memory      {_size(weights)} weights ({dtype} on {device}), about {_size(states + logits + kept)} "
        f"per batch of {batch.rows} × {batch.longest} tokens"
    ]


def _process_lines(spec: ModelSpec, config: ExtractionConfig, shards: int) -> list[str]:
    """A line about where the processes of a run compute, if it has several."""
    devices = process_devices(spec.device, config.processes)
    if len(devices) == 1:
        return []
    where = ", ".join(dict.fromkeys(devices))
    threads = cpu_threads(devices[0], len(devices))
    return [
        f"  processes   {len(devices)}, each with its own copy of the weights, on {where} ({count(threads, 'thread')} "
        f"each), for {count(shards, 'file')}"
        + ("; a smaller --shard-size would use all" if shards < len(devices) else "")
    ]


def _cached_per_token(text: Any) -> int:
    """Size of the keys and values of one token in all layers."""
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return int(2 * text.num_hidden_layers * heads * width)


def _first_item_lines(adapter: Adapter, first: PlannedItem, visual: int) -> list[str]:
    language = adapter.decode(first.span.ids)
    return [
        f"  first item  {first.item.id!r}: {visual} visual tokens, {len(first.span.ids)} language tokens",
        f"  prompt      {first.prompt!r}",
        f"  span        {language!r}",
    ]


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
