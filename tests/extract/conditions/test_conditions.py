"""What each condition may depend on, and that measuring changes nothing: the tests the numbers rest on."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from pid_lvlm.data.names import BOTH, CONDITIONS, LANGUAGE_ONLY, NO_IMAGE, VISION_ONLY
from pid_lvlm.extract.datasets.images import open_picture
from pid_lvlm.extract.datasets.item import Dataset, Item
from pid_lvlm.extract.measure.embeddings import measure
from pid_lvlm.extract.measure.encode import encode_batch
from pid_lvlm.extract.measure.logit_lens import layer_states
from pid_lvlm.extract.measure.measurement import Measurement, choose_candidates
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.prompts.prompt_plan import PlannedItem, make_plan

Score = Callable[[list[Item]], dict[str, np.ndarray]]


def planned(adapter: Adapter, dataset: Dataset, items: list[Item]) -> tuple[PlannedItem, ...]:
    return make_plan(adapter, replace(dataset, items=tuple(items)), "letters", "all").items


@pytest.fixture
def measurement(adapter: Adapter, dataset: Dataset) -> Measurement:
    plan = make_plan(adapter, dataset, "letters", "all")
    candidates = choose_candidates(adapter, plan.variants, plan.items[:4], 4)
    stats = measure(adapter, plan.items, 4, lambda _count: None)
    return Measurement(adapter, candidates, stats, seed=0, layers=(1, 2, 3))


@pytest.fixture
def score(measurement: Measurement, dataset: Dataset) -> Score:
    """Scores (n, layers, options) per condition."""

    def run(items: list[Item]) -> dict[str, np.ndarray]:
        loglik = measurement.batch(planned(measurement.adapter, dataset, items))["loglik"]
        return {name: loglik[:, index] for index, name in enumerate(CONDITIONS)}

    return run


def swapped_pictures(dataset: Dataset) -> list[Item]:
    items = dataset.items[:4]
    return [replace(item, picture=other.picture) for item, other in zip(items, items[::-1], strict=True)]


def other_questions(dataset: Dataset) -> list[Item]:
    """The same number of characters, and so of byte-level tokens: only the words differ."""
    return [
        replace(item, question=item.question[::-1], hint=item.hint[::-1], options=tuple(o[::-1] for o in item.options))
        for item in dataset.items[:4]
    ]


def test_language_only_does_not_see_the_picture(score: Score, dataset: Dataset) -> None:
    one, other = score(list(dataset.items[:4])), score(swapped_pictures(dataset))
    np.testing.assert_array_equal(one[LANGUAGE_ONLY], other[LANGUAGE_ONLY])
    np.testing.assert_array_equal(one[NO_IMAGE], other[NO_IMAGE])
    finite = np.isfinite(one[BOTH])
    assert np.abs(one[BOTH][finite] - other[BOTH][finite]).max() > 0.05  # else the test shows nothing
    assert np.abs(one[VISION_ONLY][finite] - other[VISION_ONLY][finite]).max() > 0.05


def test_vision_only_does_not_see_the_question(score: Score, dataset: Dataset) -> None:
    one, other = score(list(dataset.items[:4])), score(other_questions(dataset))
    np.testing.assert_array_equal(one[VISION_ONLY], other[VISION_ONLY])
    finite = np.isfinite(one[BOTH])
    assert np.abs(one[BOTH][finite] - other[BOTH][finite]).max() > 0.05
    assert np.abs(one[LANGUAGE_ONLY][finite] - other[LANGUAGE_ONLY][finite]).max() > 0.05


def test_measuring_leaves_the_model_alone(measurement: Measurement, adapter: Adapter, dataset: Dataset) -> None:
    items = planned(adapter, dataset, list(dataset.items[:4]))
    batch = encode_batch(adapter, items)
    with torch.inference_mode():
        before = adapter.forward(batch.inputs, 1)
        measurement.batch(items)
        after = adapter.forward(batch.inputs, 1)
        _, hooked = layer_states(adapter, batch.inputs, lambda inputs: inputs, [1, 2, 3], 1)
    assert torch.equal(before, after)
    assert torch.equal(before, hooked)


def test_encoding_the_picture_first_changes_nothing(adapter: Adapter, dataset: Dataset) -> None:
    items = planned(adapter, dataset, list(dataset.items[:4]))
    raw = adapter.encode([p.prompt for p in items], [open_picture(p.item.picture) for p in items])
    with torch.inference_mode():
        assert torch.equal(adapter.forward(raw, 1), adapter.forward(adapter.encode_pictures(raw), 1))


def test_last_lens_layer_is_the_output(adapter: Adapter, dataset: Dataset) -> None:
    batch = encode_batch(adapter, planned(adapter, dataset, list(dataset.items[:4])))
    with torch.inference_mode():
        states, logits = layer_states(adapter, batch.inputs, None, [1, 3], 1)
        torch.testing.assert_close(adapter.unembed(states[1]), logits, rtol=0, atol=1e-5)
        assert (adapter.unembed(states[0]) - logits).abs().max() > 0.1


def test_scores_are_the_plain_models(measurement: Measurement, adapter: Adapter, dataset: Dataset) -> None:
    """One item, no batch, no hook, no precomputed picture: the processor and the model as a user would call them."""
    item = planned(adapter, dataset, [dataset.items[2]])[0]
    got = measurement.batch([item])
    with Image.open(item.item.picture) as picture, torch.inference_mode():
        inputs = adapter.processor(text=[item.prompt], images=[picture.convert("RGB")], return_tensors="pt")
        logprobs = adapter.model(**inputs).logits[0, -1].log_softmax(-1)
        text_only = adapter.processor(text=[item.text_only_prompt], return_tensors="pt")
        text_only_logprobs = adapter.model(**text_only).logits[0, -1].log_softmax(-1)
    letters = [ids[0] for ids in measurement.candidates.ids]
    np.testing.assert_allclose(got["loglik"][0, 0, -1], logprobs[letters], atol=1e-5)
    np.testing.assert_allclose(got["loglik"][0, 3, -1], text_only_logprobs[letters], atol=1e-5)
    assert got["first_token"][0, 0] == int(logprobs.argmax())
