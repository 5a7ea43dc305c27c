"""Every ablation in every kind of family: nothing of an ablated source is left, the kept one is read as before."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from pid_lvlm.data.contract.conditions import ablated_conditions
from pid_lvlm.data.names import ABLATIONS, BOTH, CONDITIONS, NO_IMAGE, SOURCES
from pid_lvlm.extract.datasets.images import open_picture
from pid_lvlm.extract.measure.measurement import Measurement
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem
from pid_lvlm.extract.prompts.swaps import Swaps, is_swapped
from tests.extract.models.families.conftest import Tiny, lines
from tests.extract.models.families.test_families import assert_differ, other_pictures, other_questions
from tests.extract.models.families.tiny import on_device

NAMES = (*CONDITIONS, *(condition.name for condition in ablated_conditions(ABLATIONS, draws=1)))
ABLATED = {"vision_only": SOURCES[1:], "language_only": SOURCES[:1], "neither": SOURCES, NO_IMAGE: SOURCES[:1]}
ROUNDING = 1e-4

QUICK = ("llava",)
TESTED = {*QUICK, "qwen2_vl", "qwen3_vl", "llava_onevision", "mllama", "instructblip_t5", "gemma4_small", "paligemma"}
"""Plain, M-RoPE, deepstack, tiles, cross-attention, a question read apart, per-layer inputs, two-way attention."""
kinds = pytest.mark.parametrize(
    "tiny", [one for one in lines(slow_but=QUICK) if one.id in TESTED], indirect=True, scope="session"
)


def ablating(tiny: Tiny) -> Measurement:
    """The family's measurement under every condition that there is."""
    swaps = Swaps(tiny.adapter, tiny.plan(), "letters", "all", seed=0)
    return replace(tiny.measurement, conditions=NAMES, swaps=swaps)


def scores(measurement: Measurement, items: Sequence[PlannedItem]) -> dict[str, np.ndarray]:
    """Scores (n, layers, options that all items have) per condition."""
    loglik = measurement.batch(items)["loglik"]
    return {name: loglik[:, index, :, :2] for index, name in enumerate(NAMES)}


@kinds
def test_an_ablated_source_leaves_nothing_and_the_other_is_seen(tiny: Tiny) -> None:
    measurement = ablating(tiny)
    one = scores(measurement, tiny.plan())
    changes = {SOURCES[0]: other_pictures(tiny), SOURCES[1]: other_questions(tiny)}
    for source, items in changes.items():
        other = scores(measurement, tiny.plan(items))
        for name in NAMES:
            if source in ABLATED.get(name.partition(".")[0], ()):
                np.testing.assert_array_equal(one[name], other[name], err_msg=f"{name} sees {source}")
            else:
                assert_differ(one[name], other[name])


@kinds
def test_the_batch_and_its_order_change_nothing(tiny: Tiny) -> None:
    measurement, items = ablating(tiny), tiny.plan()
    one, back = scores(measurement, items), scores(measurement, items[:0:-1])
    for name in NAMES:
        np.testing.assert_allclose(back[name], one[name][:0:-1], rtol=0, atol=ROUNDING, err_msg=name)


@kinds
def test_swapped_scores_are_the_plain_models(tiny: Tiny) -> None:
    """Processor and model as a user would call them, with the picture and the prompt that stand in."""
    measurement, planned, adapter = ablating(tiny), tiny.plan()[2], tiny.adapter
    found = measurement.batch((planned,))["loglik"][0, :, -1]
    letters = torch.tensor([one.first_ids for one in measurement.candidates.spellings])
    assert measurement.swaps is not None
    for name in filter(is_swapped, NAMES):
        swapped = measurement.swaps.of(planned, name)
        inputs = tiny.family.inputs(adapter.processor, swapped.prompt, open_picture(swapped.item.picture))
        with torch.inference_mode():
            logprobs = adapter.model(**on_device(inputs)).logits[0, -1].log_softmax(-1).cpu()
        options = len(planned.item.options)
        expected = logprobs[letters].logsumexp(dim=0)[:options]
        np.testing.assert_allclose(found[NAMES.index(name), :options], expected, rtol=0, atol=2e-5, err_msg=name)


@kinds
def test_shared_or_not_the_mean_scores_the_same(tiny: Tiny) -> None:
    if not tiny.adapter.can_share_prefix:
        pytest.skip("passes of this family share nothing")
    measurement = replace(ablating(tiny), conditions=(BOTH, "vision_only", "language_only", "vision_only.mean"))
    alone = replace(measurement, share_prefix=False).batch(tiny.plan())
    np.testing.assert_allclose(measurement.batch(tiny.plan())["loglik"], alone["loglik"], rtol=0, atol=1e-5)
