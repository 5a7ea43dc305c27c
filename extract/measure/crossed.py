"""Scores of crossed pairs: under the condition `both`, each picture with the questions of other items."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pid_lvlm.data.names import BOTH, CROSSED_ARRAYS
from pid_lvlm.extract.conditions.noise import Arrays
from pid_lvlm.extract.measure.batching import Batching, Items
from pid_lvlm.extract.measure.measurement import Measurement
from pid_lvlm.extract.measure.swapped import Prepared
from pid_lvlm.extract.prompts.crossed_plan import CrossedPlan


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
        rows: indices of the shard's items in the run.
        both: (rows, layers, options) nats, the scores of the items themselves: column 0.
        batching: the batches of the run.
        advance: called with the number of pairs done.
    """
    pairs = plan.of(rows)

    def work(items: Items, host: Prepared) -> Tensor:
        return measurement.letter_scores(items, (BOTH,), host)[:, 0]

    parts: list[Tensor] = []
    order: list[int] = []
    for done in batching.each([pairs], measurement.prepare, work):
        parts.append(done.result)
        order += done.indices
        advance(len(done.indices))
    found = measurement.own_options([pairs[index] for index in order], torch.cat(parts))[np.argsort(order)]
    others = found.reshape(len(rows), plan.pairs - 1, *both.shape[1:])
    scores = np.concatenate([both[:, None], others], axis=1)
    return dict(zip(CROSSED_ARRAYS, (plan.partner[rows.start : rows.stop], scores), strict=True))
