"""Each way in which a family can go wrong without a word: the tests fail without the care that is taken."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pid_lvlm.data.names import BOTH, LANGUAGE_ONLY, VISION_ONLY
from pid_lvlm.extract.conditions.sites import EmbeddingSite
from pid_lvlm.extract.datasets.images import open_picture
from pid_lvlm.extract.measure.encode import encode_batch
from pid_lvlm.extract.measure.logit_lens import layer_states
from tests.extract.models.families.conftest import MakeTiny, Tiny
from tests.extract.models.families.test_families import assert_differ, other_pictures, other_questions
from tests.extract.models.families.tiny import DEVICE

SITES = {
    "qwen3_vl": LANGUAGE_ONLY,
    "granite4_vision": LANGUAGE_ONLY,
    "toyvl": LANGUAGE_ONLY,
    "gemma4_small": VISION_ONLY,
    "gemma3n": VISION_ONLY,
}
"""Families with further sites, and the condition that leaks if only the input embeddings are replaced."""

SILENT = {
    "qwen2_5_vl": "mm_token_type_ids",
    "gemma3": "token_type_ids",
    "gemma4_large": "mm_token_type_ids",
    "paligemma": "token_type_ids",
    "molmo2": "mm_token_type_ids",
    "mllama": "cross_attention_mask",
    "instructblip": "qformer_attention_mask",
}
"""Families whose forward computes something else, and says nothing, without this input."""

CAPPED = ("paligemma", "gemma4_small", "gemma3n", "granite4_vision", "toyvl")
"""Families that cap or scale their logits after the head."""


def fresh(tiny: Tiny) -> Tiny:
    """The same model under an adapter of its own, so that a test may change it."""
    adapter = type(tiny.adapter)(tiny.adapter.model, tiny.adapter.processor)
    return Tiny(tiny.family, tiny.folder, adapter, tiny.dataset)


@pytest.mark.parametrize("name", SITES)
def test_input_embeddings_alone_leak(name: str, tiny_of: MakeTiny) -> None:
    tiny = fresh(tiny_of(name))
    assert len(tiny.adapter.sites) > 2 or name == "granite4_vision"
    tiny.adapter.sites = tuple(EmbeddingSite(source) for source in ("vision", "language"))
    condition = SITES[name]
    changed = other_pictures(tiny) if condition == LANGUAGE_ONLY else other_questions(tiny)
    one, other = tiny.scores(tiny.dataset.items)[condition], tiny.scores(changed)[condition]
    assert np.abs(one - other).max() > 1e-4


@pytest.mark.parametrize("name", SILENT)
def test_silent_defaults_change_numbers(name: str, tiny_of: MakeTiny) -> None:
    """Why `needed` names these inputs: test_families shows that leaving one out is refused."""
    tiny = tiny_of(name)
    assert SILENT[name] in tiny.adapter.needed
    pictures = [open_picture(planned.item.picture) for planned in tiny.plan()]
    inputs = tiny.adapter.encode([planned.prompt for planned in tiny.plan()], pictures)
    less = {key: value for key, value in inputs.items() if key != SILENT[name]}
    with torch.inference_mode():
        assert (tiny.adapter.forward(inputs, 1) - tiny.adapter.forward(less, 1)).abs().max() > 1e-2


@pytest.mark.parametrize("name", CAPPED)
def test_the_lens_needs_the_cap(name: str, tiny_of: MakeTiny) -> None:
    adapter = tiny_of(name).adapter
    inputs = encode_batch(adapter, tiny_of(name).plan()).inputs
    with torch.inference_mode():
        states, logits = layer_states(adapter, inputs, None, [len(adapter.layers)], 1)
        uncapped = adapter.model.get_output_embeddings()(adapter.final_norm(states[0]))
    assert (uncapped - logits).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["gemma4_small", "qwen2_5_vl", "gemma3"])
def test_layers_are_the_models_hidden_states(name: str, tiny_of: MakeTiny) -> None:
    """Gemma-4's last layers see only the positions that are asked for; nothing may be off by one layer or position."""
    adapter = tiny_of(name).adapter
    inputs = encode_batch(adapter, tiny_of(name).plan()).inputs
    depth = len(adapter.layers)
    with torch.inference_mode():
        states, _ = layer_states(adapter, inputs, None, range(1, depth + 1), 1)
        hidden = adapter.model(**inputs, use_cache=False, output_hidden_states=True).hidden_states
        normed = adapter.final_norm(states[-1])
    for layer, state in enumerate(states[:-1], start=1):
        torch.testing.assert_close(state[:, -1], hidden[layer][:, -1], rtol=0, atol=1e-5)
    torch.testing.assert_close(normed[:, -1], hidden[-1][:, -1], rtol=0, atol=1e-5)  # the last is normed already
    assert (states[-1] - normed).abs().max() > 0.01


@pytest.mark.parametrize("name", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_5", "glm4v"])
def test_no_state_is_carried_from_sample_to_sample(name: str, tiny_of: MakeTiny) -> None:
    """These models keep an offset of rotary positions from the call before."""
    tiny = tiny_of(name)
    items = tiny.plan()
    first = tiny.measure(items[:1])
    tiny.adapter.model.base_model.rope_deltas = torch.full((1, 1), 17, device=DEVICE)
    stale = tiny.measure(items[:1])
    np.testing.assert_array_equal(first["loglik"], stale["loglik"])


def test_aya_does_not_scale_its_logits(tiny_of: MakeTiny) -> None:
    """Its configuration has a scale, which the text-only class applies and this one does not."""
    config: Any = tiny_of("aya_vision").adapter.model.config.get_text_config()
    assert config.logit_scale == 0.25  # test_the_lens_ends_in_the_output holds without it


@pytest.mark.parametrize("name", ["gemma4_large", "qwen3_vl"])
def test_sites_follow_the_checkpoint(name: str, tiny_of: MakeTiny) -> None:
    expected = {"gemma4_large": [], "qwen3_vl": ["deepstack1", "deepstack2"]}[name]
    assert [site.name for site in tiny_of(name).adapter.sites] == ["vision", "language", *expected]


def test_a_leak_test_on_a_model_that_does_not_look_shows_nothing(tiny_of: MakeTiny) -> None:
    """Freshly initialised, Mllama's gates are shut. The suite notices, and passes only where a source is visible."""
    tiny = tiny_of("mllama")
    gates = [gate for name, gate in tiny.adapter.model.named_parameters() if name.endswith("_gate")]
    opened = [gate.clone() for gate in gates]
    for gate in gates:
        torch.nn.init.zeros_(gate)
    try:
        one, other = tiny.scores(tiny.dataset.items), tiny.scores(other_pictures(tiny))
    finally:
        for gate, value in zip(gates, opened, strict=True):
            gate.data.copy_(value)
    np.testing.assert_array_equal(one[LANGUAGE_ONLY], other[LANGUAGE_ONLY])
    with pytest.raises(AssertionError):
        assert_differ(one[BOTH], other[BOTH])


def test_the_pictures_tokens_are_the_models_not_the_processors(tiny_of: MakeTiny) -> None:
    """Gemma-3's processor calls the mark in front of a picture its image token."""
    tiny = tiny_of("gemma3")
    assert tiny.adapter.processor.image_token_id != tiny.adapter.model.config.image_token_id
    assert encode_batch(tiny.adapter, tiny.plan()).masks.vision.sum(dim=1).tolist() == [4] * 4


def test_labels_are_not_passed_on(tiny_of: MakeTiny) -> None:
    """PaliGemma's processor returns them without being asked, and its forward would compute a loss."""
    tiny = tiny_of("paligemma")
    item = tiny.plan()[0]
    assert "labels" not in tiny.adapter.encode([item.prompt], [open_picture(item.item.picture)])


@pytest.mark.parametrize("name", ["idefics3", "smolvlm"])
def test_pictures_of_one_colour_are_pictures(name: str, tiny_of: MakeTiny) -> None:
    """These models drop tiles that are exactly 0 once normalised; no shade of 8 bits is, and padding tiles are."""
    tiny = tiny_of(name)
    folder = tiny.folder.parent
    items = []
    for index, shade in enumerate((0, 127, 128, 255)):
        Image.new("RGB", (112, 56) if index % 2 else (56, 56), (shade,) * 3).save(folder / f"shade-{shade}.png")
        items.append(replace(tiny.dataset.items[index], picture=folder / f"shade-{shade}.png"))
    planned = tiny.plan(tuple(items))
    arrays = tiny.measure(planned)
    assert arrays["x1_tokens"].tolist() == [20, 12, 20, 12]
    alone = tiny.measure(planned[2:3])
    np.testing.assert_allclose(arrays["x1_mean"][2], alone["x1_mean"][0], atol=1e-4)
