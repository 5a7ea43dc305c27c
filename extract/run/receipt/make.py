"""Makes the receipt: what every run checks on its first items before it measures anything."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
import torch
from accelerate.utils.memory import clear_device_cache
from numpy.typing import NDArray

from pid_lvlm.data.contract.schema.conditions import parse_condition
from pid_lvlm.data.contract.schema.receipt import (
    BATCH,
    CHECKS,
    CROSSED,
    CROSSED_CHECKS,
    HOOKS,
    HOOKS_LEFT,
    LEAK_PICTURE,
    LEAK_TEXT,
    LENS,
    SHARING,
    Check,
    Receipt,
)
from pid_lvlm.data.names import BOTH, CONDITIONS, SOURCES, VISION_ONLY
from pid_lvlm.extract.conditions.replacement import WriteBack
from pid_lvlm.extract.config import ExtractionConfig
from pid_lvlm.extract.datasets.item import Dataset, Item
from pid_lvlm.extract.measure.batching import Batching, out_of_memory
from pid_lvlm.extract.measure.embeddings import measure
from pid_lvlm.extract.measure.encode import encode_batch
from pid_lvlm.extract.measure.going_on import goes_on_from
from pid_lvlm.extract.measure.logit_lens import layer_states, unembed
from pid_lvlm.extract.measure.measurement import Measurement
from pid_lvlm.extract.models.adapters.base import Adapter, ModelInputs
from pid_lvlm.extract.models.misfit import model_code
from pid_lvlm.extract.prompts.crossed_plan import crossed_pair
from pid_lvlm.extract.prompts.prompt_plan import Plan, PlannedItem, make_plan
from pid_lvlm.extract.prompts.swaps import Swaps
from pid_lvlm.extract.prompts.templates import template_name
from pid_lvlm.extract.run.receipt.pairs import Chosen, PlanItems, choose_items
from pid_lvlm.extract.run.receipt.verdict import VISIBLE, limit_of

Scores = NDArray[np.float32]
"""Scores of one item, (conditions, layers, options) nats."""


@dataclass(frozen=True)
class Subject:
    """The subject of a receipt: a model as used in one run.

    Attributes:
        adapter: the model.
        plan: the run's plan.
        layers: recorded layers; the last is the output.
        seed: the run's seed.
        batch_size: samples per forward pass.
        plan_items: plans other items like the run.
        conditions: the conditions of the run.
        swaps: its items under conditions that give the model another picture or text.
        crossed: the crossed pairs of the first pictures, one picture after the other; empty if the run has none.
    """

    adapter: Adapter
    plan: Plan
    layers: tuple[int, ...]
    seed: int
    batch_size: int
    plan_items: PlanItems
    conditions: tuple[str, ...] = CONDITIONS
    swaps: Swaps | None = None
    crossed: tuple[PlannedItem, ...] = ()


CHECKED_PICTURES: Final = 2
"""Number of pictures whose crossed pairs are checked."""


def plan_like_run(
    adapter: Adapter, dataset: Dataset, config: ExtractionConfig, items: tuple[Item, ...]
) -> tuple[PlannedItem, ...]:
    """Plan other items like the run's own."""
    chosen = replace(dataset, items=items)
    return make_plan(adapter, chosen, template_name(config, dataset), config.language_span, config.letters).items


def make_receipt(subject: Subject) -> Receipt:
    """Check a model on the first items of a run. Failed checks are recorded in the receipt, not raised.

    Noise uses the statistics of these items, so that a run can be checked before its own statistics are measured.

    Raises:
        ModelError: the model cannot process an item.
        torch.OutOfMemoryError: one item is too large for the device; a batch that is too large is skipped.
    """
    try:
        return _made(subject)
    except Exception as error:
        if subject.batch_size == 1 or not out_of_memory(error):
            raise
    clear_device_cache(garbage_collection=True)
    return _made(replace(subject, batch_size=1))


def _made(subject: Subject) -> Receipt:
    adapter = subject.adapter
    before = count_hooks(adapter)
    chosen = choose_items(adapter, subject.plan.items, subject.plan_items)
    size = subject.batch_size
    parts = [chosen.items[start : start + size] for start in range(0, len(chosen.items), size)]
    stats = measure(adapter, [chosen.items], Batching(size), lambda _count: None)
    plan = subject.plan
    measurement = Measurement(
        adapter,
        plan.candidates,
        stats,
        subject.seed,
        subject.layers,
        plan.max_options,
        conditions=subject.conditions,
        swaps=subject.swaps,
    )
    together = [scores for part in parts for scores in _scores(measurement, part)]
    alone = _scores(measurement, chosen.items[:1])[0] if len(parts[0]) > 1 else together[0]
    checks = {
        **_leaks(measurement, chosen, alone),
        **_lens_and_hooks(adapter, parts, subject.layers),
        BATCH: _batch(adapter, together[0], alone, len(parts[0]), size),
        SHARING: _sharing(measurement, parts, together),
    }
    if subject.crossed:
        checks[CROSSED] = _crossed(measurement, subject.crossed[:size])
    checks[HOOKS_LEFT] = Check(found=float(count_hooks(adapter) - before), limit=0.0)
    ids = tuple(planned.item.id for planned in chosen.items)
    return Receipt(ids, len(parts[0]), {name: checks[name] for name in (*CHECKS, *CROSSED_CHECKS) if name in checks})


LIBRARIES: Final = ("accelerate", "torch", "transformers")
"""Libraries add hooks that stay: transformers adds some in the first pass that reads hidden states."""


def count_hooks(adapter: Adapter) -> int:
    """Forward hooks on all modules of a model, except those of libraries."""
    modules = adapter.model.modules()
    hooks = (hook for one in modules for hook in (*one._forward_hooks.values(), *one._forward_pre_hooks.values()))
    return sum(_library(hook) not in LIBRARIES for hook in hooks)


def _library(hook: Any) -> str:
    function = hook.func if isinstance(hook, partial) else hook
    return str(getattr(function, "__module__", "")).partition(".")[0]


def _scores(
    measurement: Measurement, items: Sequence[PlannedItem], conditions: Sequence[str] | None = None
) -> list[Scores]:
    """Scores of each item under some conditions, by default all."""
    scores = measurement.scores(items, measurement.conditions if conditions is None else conditions)
    return [row[..., : len(planned.item.options)] for row, planned in zip(scores, items, strict=True)]


def _leaks(measurement: Measurement, chosen: Chosen, scores: Scores) -> dict[str, Check]:
    """Change one source: scores must not move under conditions that ablate it, and must move without ablation.

    Args:
        measurement: how items are measured.
        chosen: the items.
        scores: scores of the first of them, measured alone.
    """
    checks = {}
    names = measurement.conditions
    sources = zip((LEAK_PICTURE, LEAK_TEXT), SOURCES, (chosen.other_picture, chosen.other_text), strict=True)
    for name, source, other in sources:
        if other is None:
            checks[name] = Check(reason=chosen.no_text)
            continue
        looked_at = (BOTH, *(one for one in names if source in parse_condition(one).ablates))
        before = scores[[names.index(one) for one in looked_at]]
        visible, *others = map(_difference, before, _scores(measurement, [other], looked_at)[0])
        moved = float(np.max(others))
        if visible < VISIBLE and not moved:
            what = "picture" if name == LEAK_PICTURE else "text"
            checks[name] = Check(visible=rounded(visible), reason=NOT_SEEN.format(what))
            continue
        again = partial(_alone_again, measurement, chosen.items[0], looked_at)
        checks[name] = replace(_exact(measurement.adapter, moved, again, before), visible=rounded(visible))
    return checks


def _alone_again(measurement: Measurement, planned: PlannedItem, conditions: Sequence[str]) -> Scores:
    return _scores(measurement, [planned], conditions)[0]


NOT_SEEN: Final = "another {} does not change what the model answers"


def _lens_and_hooks(
    adapter: Adapter, parts: Sequence[Sequence[PlannedItem]], layers: tuple[int, ...]
) -> dict[str, Check]:
    """Compare a pass without hooks to one with all hooks, which write back what they read; and check the last lens."""
    depth, limit = len(adapter.layers), limit_of(adapter, LENS)
    found: dict[str, list[Check]] = {LENS: [], HOOKS: []}
    for part in parts:
        with torch.inference_mode():
            batch = encode_batch(adapter, part)
            plain = partial(_logits, adapter, batch.inputs)
            before = plain()
            edit = WriteBack(adapter.sites, batch.masks)
            states, logits = layer_states(adapter, batch.inputs, edit, sorted({*layers, depth}), keep=1)
            difference = _difference(_array(unembed(adapter, states[-1])), _array(logits))
            found[LENS].append(Check(rounded(difference), limit))
            found[HOOKS].append(_exact(adapter, _difference(before, _array(logits)), plain, before))
    return {name: max(checks, key=_excess) for name, checks in found.items()}


def _logits(adapter: Adapter, inputs: ModelInputs) -> Scores:
    with model_code(adapter):
        return _array(adapter.forward(inputs, 1))


def _batch(adapter: Adapter, together: Scores, alone: Scores, size: int, batch_size: int) -> Check:
    """Compare the most padded item in a batch of `size` items and alone."""
    if size == 1:
        return Check(reason="a batch size of 1" if batch_size == 1 else "the dataset has one item")
    return Check(rounded(_difference(together, alone)), limit_of(adapter, BATCH))


def _sharing(measurement: Measurement, parts: Sequence[Sequence[PlannedItem]], shared: Sequence[Scores]) -> Check:
    """Compare conditions that continue from another, and rows about one picture, with full computation."""
    adapter = measurement.adapter
    if not (adapter.can_share_prefix and measurement.share_prefix):
        return Check(reason="passes of this model share nothing")
    separate = replace(measurement, share_prefix=False)
    continuing = [name for name in measurement.conditions if _goes_on(name)]
    scores = [one for part in parts for one in _scores(separate, part, continuing)]
    places = [measurement.conditions.index(name) for name in continuing]
    differences = [_difference(one[places], other) for one, other in zip(shared, scores, strict=True)]
    if len(parts[0]) > 1:
        first, second = parts[0][:2]
        rows = (first, crossed_pair(first, second))
        pairs = zip(*(_scores(one, rows, (BOTH, VISION_ONLY)) for one in (measurement, separate)), strict=True)
        differences += [_difference(one, other) for one, other in pairs]
    return Check(rounded(float(np.max(differences))), limit_of(adapter, SHARING))


def _goes_on(condition: str) -> bool:
    """Whether a condition continues from another; of several draws, only the first."""
    return goes_on_from(condition) is not None and parse_condition(condition).draw in (None, 1)


def _crossed(measurement: Measurement, pairs: Sequence[PlannedItem]) -> Check:
    """Compare crossed pairs, batched as in the run, with the first and the shortest one alone, sharing nothing."""
    adapter = measurement.adapter
    together = _scores(measurement, pairs, (BOTH,))
    plain = replace(measurement, share_prefix=False)
    shortest = min(range(len(pairs)), key=lambda index: pairs[index].length)
    differences = [
        _difference(together[index], _scores(plain, [pairs[index]], (BOTH,))[0]) for index in sorted({0, shortest})
    ]
    return Check(rounded(float(np.max(differences))), limit_of(adapter, BATCH))


def _exact(adapter: Adapter, found: float, again: Callable[[], Scores], before: Scores) -> Check:
    """A difference that must be 0, or within rounding if the device does not reproduce its own numbers.

    Args:
        adapter: the model.
        found: the difference.
        again: computes `before` again.
        before: the unmodified numbers.
    """
    repeats = not found or _difference(again(), before) == 0
    return Check(rounded(found), 0.0 if repeats else limit_of(adapter, BATCH))


def _excess(check: Check) -> float:
    """How far a check exceeds its limit; infinite for NaN."""
    assert check.found is not None
    assert check.limit is not None
    return float("inf") if np.isnan(check.found) else check.found - check.limit


def _array(tensor: torch.Tensor) -> NDArray[np.float32]:
    return tensor.float().cpu().numpy()


def _difference(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.abs(one - other).max())


def rounded(value: float) -> float:
    """A value to two significant digits; further digits of a rounding error mean nothing."""
    return float(f"{value:.2g}")
