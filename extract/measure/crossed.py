"""Scores of crossed pairs: those of the condition `both`, for each picture with the questions of other items."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

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
        rows: numbers of the shard's items in the run.
        both: (rows, layers, options) nats, the scores of the items themselves: column 0.
        batching: the batches of the run.
        advance: told how many pairs were done.
    """
    pairs = plan.of(rows)

    def work(items: Items, host: Prepared) -> NDArray[np.float32]:
        return measurement.scores(items, (BOTH,), host)[:, 0]

    found = np.empty((len(pairs), *both.shape[1:]), dtype=np.float32)
    for done in batching.each([pairs], measurement.prepare, work):
        found[list(done.indices)] = done.result
        advance(len(done.indices))
    others = found.reshape(len(rows), plan.pairs - 1, *both.shape[1:])
    scores = np.concatenate([both[:, None], others], axis=1)
    return dict(zip(CROSSED_ARRAYS, (plan.partner[rows.start : rows.stop], scores), strict=True))
