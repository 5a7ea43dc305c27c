"""Every ablation in every kind of family: nothing of an ablated source is left, the kept one is read as before."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch

from pid_lvlm.data.contract.schema.conditions import ablated_conditions
from pid_lvlm.data.names import ABLATIONS, BOTH, CONDITIONS, NO_IMAGE, SOURCES
from pid_lvlm.extract.datasets.images import open_picture
from pid_lvlm.extract.measure.measurement import Measurement
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem
from pid_lvlm.extract.prompts.swaps import Swaps, is_swapped
from tests.extract.models.families.conftest import Tiny, lines, two_pictures, with_long_letters
from tests.extract.models.families.test_families import SHARING, assert_differ, other_pictures, other_questions
from tests.extract.models.families.test_prefix import positions_seen
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

sharing = pytest.mark.parametrize(
    "tiny", [one for one in lines(slow_but=QUICK) if one.id in SHARING], indirect=True, scope="session"
)


def others(draws: int) -> list[str]:
    """Conditions with pictures and texts of other items."""
    return [condition.name for condition in ablated_conditions(["other"], draws)]


@contextmanager
def pictures_encoded(adapter: Adapter) -> Iterator[list[int]]:
    """Grows with each batch that goes through the vision part."""
    calls: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        encode = adapter.encode_pictures
        patch.setattr(adapter, "encode_pictures", lambda inputs: calls.append(1) or encode(inputs))
        yield calls


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


@sharing
def test_shared_or_not_scores_are_the_same(tiny: Tiny) -> None:
    """Conditions that go on from another, with letters of several tokens, and where two items have one picture."""
    assert tiny.adapter.can_share_prefix
    measurement = with_long_letters(ablating(tiny))
    for items in (tiny.plan(), tiny.plan(two_pictures(tiny.dataset.items))):
        alone = replace(measurement, share_prefix=False).batch(items)
        shared = measurement.batch(items)
        np.testing.assert_allclose(shared["loglik"], alone["loglik"], rtol=0, atol=1e-5)
        np.testing.assert_array_equal(shared["first_token"], alone["first_token"])


@sharing
def test_only_texts_are_computed_again(tiny: Tiny) -> None:
    """Two draws for an item, texts of equal length: three passes read a picture, as often as one is encoded."""
    first, *rest = tiny.dataset.items
    texts = {turn: first.question[turn:] + first.question[:turn] for turn in (1, 2, 3)}
    alike = [replace(first, id=item.id, picture=item.picture, question=texts[n]) for n, item in enumerate(rest, 1)]
    planned = tiny.plan((first, *alike))
    swaps = Swaps(tiny.adapter, planned, "letters", "all", seed=0)
    measurement = replace(tiny.measurement, conditions=(BOTH, *others(2)), swaps=swaps)
    found = {}
    for share in (True, False):
        with positions_seen(tiny.adapter.decoder) as seen, pictures_encoded(tiny.adapter) as pictures:
            replace(measurement, share_prefix=share).batch(planned[:1])
        found[share] = [positions for _, positions in seen], len(pictures)
    alone, shared = found[False][0], found[True][0]
    assert (len(alone), found[False][1]) == (7, 7)
    assert (len(shared), found[True][1]) == (7, 3)
    text = min(shared)
    assert shared.count(text) == 4
    assert sorted(one for one in shared if one != text) == sorted([alone[0], alone[2], alone[5]])
