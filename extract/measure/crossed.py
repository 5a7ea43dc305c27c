"""Scores of crossed pairs: those of the condition `both`, for each picture with the questions of other items."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pid_lvlm.data.names import BOTH, CROSSED_ARRAYS
from pid_lvlm.extract.conditions.noise import Arrays
from pid_lvlm.extract.datasets.crossing import picture_of
from pid_lvlm.extract.measure.batching import Batching, Form, Items
from pid_lvlm.extract.measure.encode import host_inputs
from pid_lvlm.extract.measure.measurement import Measurement
from pid_lvlm.extract.models.adapters.base import Adapter, ModelInputs
from pid_lvlm.extract.prompts.crossed_plan import CrossedPlan
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem, batches


def crossed_arrays(
    measurement: Measurement,
    plan: CrossedPlan,
    rows: range,
    both: NDArray[np.float32],
    batching: Batching,
    advance: Callable[[int], None],
) -> Arrays:
    """Arrays of the crossed pairs of one shard.

    Args:
        measurement: how items are measured.
        plan: the run's pairs.
        rows: numbers of the shard's items in the run.
        both: (rows, layers, options) nats, the scores of the items themselves: column 0.
        batching: the batches of the run.
        advance: told how many pairs were done.
    """
    pairs = plan.of(rows)

    def prepare(items: Items) -> ModelInputs:
        return host_inputs(measurement.adapter, items)

    def work(items: Items, host: ModelInputs) -> NDArray[np.float32]:
        return measurement.scores(items, (BOTH,), host)[:, 0]

    found = np.empty((len(pairs), *both.shape[1:]), dtype=np.float32)
    for done in batching.each([pairs], prepare, work, pair_batches(measurement.adapter)):
        found[list(done.indices)] = done.result
        advance(len(done.indices))
    others = found.reshape(len(rows), plan.pairs - 1, *both.shape[1:])
    scores = np.concatenate([both[:, None], others], axis=1)
    return dict(zip(CROSSED_ARRAYS, (plan.partner[rows.start : rows.stop], scores), strict=True))


def pair_batches(adapter: Adapter) -> Form:
    """How batches of pairs are formed: by picture where a family can share what is computed for it, else by length."""
    return picture_batches if adapter.can_share_prefix else batches


def picture_batches(items: Sequence[PlannedItem], rows: int, tokens: int | None = None) -> list[tuple[int, ...]]:
    """Indices of each batch: items about one picture together, so that what is computed for it can be shared.

    Pictures with the longest prompts come first, and longer prompts of one picture before shorter ones. A picture is
    divided between batches only where it fills one by itself. As `batches`, it depends on nothing but the items.

    Args:
        items: the items.
        rows: items of a batch, at most.
        tokens: positions of a batch, padding included, at most; an item with more of them is a batch by itself.
    """
    blocks: dict[object, list[int]] = {}
    for index in sorted(range(len(items)), key=lambda index: -items[index].length):
        blocks.setdefault(picture_of(items[index].item), []).append(index)
    found: list[tuple[int, ...]] = []
    batch: list[int] = []
    room = 0
    for block in blocks.values():
        if len(block) > room:
            found += [tuple(batch)] if batch else []
            batch, room = [], _size(items[block[0]], rows, tokens)
            while len(block) > room:
                found.append(tuple(block[:room]))
                block = block[room:]
                room = _size(items[block[0]], rows, tokens)
        batch += block
        room -= len(block)
    return [*found, tuple(batch)] if batch else found


def _size(longest: PlannedItem, rows: int, tokens: int | None) -> int:
    """Items of a batch whose longest is known, at most."""
    return rows if tokens is None else max(1, min(rows, tokens // longest.length))
