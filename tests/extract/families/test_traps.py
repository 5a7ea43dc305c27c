"""Each way in which a family can go wrong without a word: the tests fail without the care that is taken."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from data.names import LANGUAGE_ONLY, VISION_ONLY
from extract.adapters.base import Adapter
from extract.adapters.generic import GenericAdapter
from extract.batch import encode_batch
from extract.config import ExtractionConfig, ModelSpec
from extract.errors import ModelError
from extract.lens import layer_states
from extract.loading import load_adapter
from extract.progress import Reporter
from extract.registry import ADAPTERS
from extract.runner import extract_run
from extract.sites import EmbeddingSite
from tests.extract.families.catalogue import FAMILIES
from tests.extract.families.conftest import Tiny, make_tiny, spec_of
from tests.extract.families.test_families import other_pictures, other_questions
from tests.extract.families.tiny import DEVICE

MakeTiny = Callable[[str], Tiny]

SITES = {
    "qwen3_vl": LANGUAGE_ONLY,
    "granite4_vision": LANGUAGE_ONLY,
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
}
"""Families whose forward computes something else, and says nothing, without this input."""

CAPPED = ("paligemma", "gemma4_small", "gemma3n", "granite4_vision")
"""Families that cap or scale their logits after the head."""


@pytest.fixture(scope="module")
def tiny_of(tmp_path_factory: pytest.TempPathFactory) -> MakeTiny:
    """A family's tiny checkpoint, made once."""
    made: dict[str, Tiny] = {}

    def get(name: str) -> Tiny:
        if name not in made:
            family = next(family for family in FAMILIES if family.name == name)
            made[name] = make_tiny(family, tmp_path_factory.mktemp(name))
        return made[name]

    return get


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
    adapter = tiny_of(name).adapter
    assert SILENT[name] in adapter.needed
    inputs = encode_batch(adapter, tiny_of(name).plan()).inputs
    less = {key: value for key, value in inputs.items() if key != SILENT[name]}
    with torch.inference_mode():
        assert (adapter.forward(inputs, 1) - adapter.forward(less, 1)).abs().max() > 1e-2


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
        states, _ = layer_states(adapter, inputs, None, range(1, depth), 1)
        hidden = adapter.model(**inputs, use_cache=False, output_hidden_states=True).hidden_states
    for layer, state in enumerate(states, start=1):
        torch.testing.assert_close(state[:, -1], hidden[layer][:, -1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl", "glm4v"])
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


def run(adapter: Adapter, tiny: Tiny, out: Path) -> None:
    config = ExtractionConfig(out, layers="1", batch_size=2)
    extract_run(adapter, ModelSpec(str(tiny.folder)), None, tiny.dataset, config, Reporter(quiet=True))


def general(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """The general adapter on a family that has one of its own."""
    model_type = tiny.adapter.model.config.model_type
    monkeypatch.delitem(ADAPTERS, model_type)
    return load_adapter(spec_of(tiny.folder))


@pytest.mark.parametrize(("name", "source"), [("qwen3_vl", "picture"), ("gemma4_small", "text")])
def test_the_general_adapter_refuses_a_leak(
    name: str, source: str, tiny_of: MakeTiny, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    adapter = general(tiny_of(name), monkeypatch)
    with pytest.raises(
        ModelError, match=f"has no adapter, and the general one fails the leak test: the {source} still"
    ):
        run(adapter, tiny_of(name), tmp_path)
    assert not list(tmp_path.rglob("shard-*"))


def test_the_general_adapter_refuses_a_model_that_does_not_look(tiny_of: MakeTiny, tmp_path: Path) -> None:
    tiny = tiny_of("vipllava")
    adapter = load_adapter(spec_of(tiny.folder))
    for parameter in adapter.model.base_model.multi_modal_projector.parameters():
        torch.nn.init.zeros_(parameter)
    with pytest.raises(ModelError, match="another picture does not change what the model answers"):
        run(adapter, tiny, tmp_path)


def test_the_general_adapter_needs_prompts_to_compare(tiny_of: MakeTiny, tmp_path: Path) -> None:
    tiny = tiny_of("vipllava")
    items = tuple(replace(item, options=("same", "same")) for item in tiny.dataset.items)
    alike = replace(tiny.dataset, items=items)
    with pytest.raises(ModelError, match="none of the first 4 items can be reordered"):
        run(tiny.adapter, Tiny(tiny.family, tiny.folder, tiny.adapter, alike), tmp_path)


def test_the_general_adapter_turns_failures_into_a_sentence(
    tiny_of: MakeTiny, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: object) -> None:
        raise TypeError("unexpected argument `x`\nmore")

    tiny = tiny_of("vipllava")
    monkeypatch.setattr(type(tiny.adapter), "forward", fail)
    with pytest.raises(ModelError, match="the general one stops with TypeError: unexpected argument `x`; docs"):
        run(tiny.adapter, tiny, tmp_path)
    monkeypatch.setattr(type(tiny.adapter), "proven", True)
    with pytest.raises(TypeError):
        run(tiny.adapter, tiny, tmp_path)


def test_the_general_adapter_says_what_is_missing(tiny_of: MakeTiny, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of(tiny_of("vipllava").folder)
    with monkeypatch.context() as context:
        context.setattr("extract.adapters.generic.NORMS", ("rms",))
        with pytest.raises(ModelError, match="cannot read it: its decoder has no final norm under a known name"):
            load_adapter(spec)
    bare = SimpleNamespace(model_type="vipllava", image_token_id=None)
    with pytest.raises(ModelError, match="cannot read it: its configuration has no `image_token_id`"):
        GenericAdapter(SimpleNamespace(config=bare), tiny_of("vipllava").adapter.processor)
