"""The cost of conditions beyond the four: crossed pairs and other ablations."""

import argparse
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.measuring.decoder_tokens import Timed, counted_tokens, timed
from pid_lvlm.data.contract.schema.conditions import ablated_conditions
from pid_lvlm.data.names import BOTH, CONDITIONS
from pid_lvlm.extract.conditions.noise import Arrays
from pid_lvlm.extract.config import SPAN_ALL
from pid_lvlm.extract.measure.batching import Batching
from pid_lvlm.extract.measure.crossed import crossed_arrays
from pid_lvlm.extract.measure.measurement import Measurement
from pid_lvlm.extract.prompts.crossed_plan import CrossedPlan
from pid_lvlm.extract.prompts.prompt_plan import Plan
from pid_lvlm.extract.prompts.swaps import plan_swaps


def largest_difference(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Largest difference between two arrays of scores, nats; missing options are -inf in both."""
    known = np.isfinite(other)
    return float(np.abs(one[known] - other[known]).max())


def ablation_cost(
    measurement: Measurement, plan: Plan, template: str, names: list[str], batching: Batching
) -> dict[str, float]:
    """Decoder tokens of further ablations in addition to the four conditions, with and without sharing.

    Args:
        measurement: how items are measured under the four conditions.
        plan: the items, planned.
        template: name of the prompt template.
        names: ablations, with one draw of `other`.
        batching: how batches are formed.
    """
    conditions = (*CONDITIONS, *(condition.name for condition in ablated_conditions(names, 1)))
    swaps = plan_swaps(measurement.adapter, plan.items, conditions, template, SPAN_ALL, measurement.seed)
    found: dict[bool, int] = {}
    scores = {}
    for share in (True, False):
        tokens = []
        for chosen in (conditions, CONDITIONS):
            measured = replace(measurement, conditions=chosen, swaps=swaps, share_prefix=share)
            with counted_tokens(measurement.adapter) as seen:
                arrays = measured.shard(plan.items, batching, lambda _: None)
            tokens.append(seen.computed)
            scores.setdefault(share, arrays["loglik"])
        found[share] = tokens[0] - tokens[1]
    return {
        "ablation_conditions": len(conditions) - len(CONDITIONS),
        "ablation_decoder_tokens_per_sample": found[True] / len(plan.items),
        "ablation_decoder_tokens_per_sample_unshared": found[False] / len(plan.items),
        "ablation_largest_difference_by_sharing": largest_difference(scores[True], scores[False]),
    }


def crossed_cost(
    measurement: Measurement, crossed: CrossedPlan, given: argparse.Namespace, conditions: Timed[Arrays]
) -> dict[str, float]:
    """The cost of crossed pairs in addition to the four conditions.

    Args:
        measurement: how items are measured.
        crossed: the pairs, planned.
        given: the options.
        conditions: result and cost of the four conditions.
    """
    adapter = measurement.adapter
    both = conditions.result["loglik"][:, CONDITIONS.index(BOTH)]
    count = len(both)
    batching = Batching(given.batch_size, given.batch_tokens, by_picture=adapter.can_share_prefix)

    def measured() -> Arrays:
        return crossed_arrays(measurement, crossed, range(count), both, batching, lambda _: None)

    pairs = timed(adapter, measured, given.repeat)
    return {
        "crossed_pairs": given.crossed,
        "crossed_decoder_tokens_per_sample": pairs.tokens.computed / count,
        "crossed_real_tokens_per_sample": pairs.tokens.real / count,
        "crossed_seconds": pairs.seconds,
        "conditions_seconds": conditions.seconds,
        "crossed_over_conditions": pairs.seconds / conditions.seconds,
    }
