"""The general adapter: a model that leaks, does not look, or does not fit is refused in a sentence."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from pid_lvlm.extract.config import ExtractionConfig, ModelSpec
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.adapters.generic import GenericAdapter
from pid_lvlm.extract.models.load import load_adapter
from pid_lvlm.extract.models.registry import ADAPTERS, register
from pid_lvlm.extract.run.extract_run import extract_run
from pid_lvlm.extract.run.progress import Reporter
from tests.extract.models.families.conftest import MakeTiny, Tiny, spec_of
from tests.extract.models.families.toyvl import ToyVLAdapter


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
        ModelError,
        match=rf"has no adapter, and the general one fails the leak test: the {source} still .*with one: `\w+",
    ):
        run(adapter, tiny_of(name), tmp_path)
    assert not list(tmp_path.rglob("shard-*"))


def test_an_unproven_adapter_that_forgot_a_site_is_refused(tiny_of: MakeTiny, tmp_path: Path) -> None:
    class Careful(ToyVLAdapter):
        leak_tested = False

    class Careless(Careful):
        sites = Adapter.sites

    tiny = tiny_of("toyvl")
    try:
        register("toyvl", Careful)
        run(load_adapter(spec_of(tiny.folder)), tiny, tmp_path / "careful")
        register("toyvl", Careless)
        with pytest.raises(
            ModelError, match="is loaded by Careless, which fails the leak test: the picture still moves"
        ):
            run(load_adapter(spec_of(tiny.folder)), tiny, tmp_path / "careless")
    finally:
        register("toyvl", ToyVLAdapter)


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
    with pytest.raises(ModelError, match="none of the first 4 items can be given another text"):
        run(tiny.adapter, Tiny(tiny.family, tiny.folder, tiny.adapter, alike), tmp_path)


def test_the_general_adapter_turns_failures_into_a_sentence(
    tiny_of: MakeTiny, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: object) -> None:
        raise TypeError("unexpected argument `x`\nmore")

    tiny = tiny_of("vipllava")
    monkeypatch.setattr(type(tiny.adapter), "forward", fail)
    with pytest.raises(
        ModelError,
        match=r"stops with TypeError: unexpected argument `x` \(--batch-size 1 may help\); similarly named types",
    ):
        run(tiny.adapter, tiny, tmp_path)
    monkeypatch.setattr(type(tiny.adapter), "leak_tested", True)
    with pytest.raises(ModelError, match="stops in its first pass"):
        run(tiny.adapter, tiny, tmp_path)


def test_the_general_adapter_says_what_is_missing(tiny_of: MakeTiny, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of(tiny_of("vipllava").folder)
    with monkeypatch.context() as context:
        context.setattr("pid_lvlm.extract.models.adapters.generic.NORMS", ("rms",))
        with pytest.raises(ModelError, match="cannot read it: its decoder has no final norm under a known name"):
            load_adapter(spec)
    adapter = load_adapter(spec)
    monkeypatch.setattr(adapter.processor, "chat_template", None)
    with pytest.raises(ModelError, match="its processor has no chat template; similarly named types with one: `ll"):
        adapter.render("text", picture=True)
    monkeypatch.setattr(adapter, "processor", lambda **_: {"pixel_values_images": 0})
    with pytest.raises(
        ModelError, match="`vipllava` has no adapter, .* cannot read it: the processor returned no `att"
    ):
        adapter.process(["x"], [Image.new("RGB", (2, 2))])
    bare = SimpleNamespace(model_type="vipllava", image_token_id=None)
    with pytest.raises(ModelError, match="cannot read it: its configuration has no `image_token_id`"):
        GenericAdapter(SimpleNamespace(config=bare), tiny_of("vipllava").adapter.processor)


def test_the_general_adapter_finds_the_decoder_inside(tiny_of: MakeTiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """Llama-4's accessor gives the text model with its head."""
    adapter = general(tiny_of("llama4"), monkeypatch)
    assert not hasattr(adapter.model.get_decoder(), "layers")
    assert len(adapter.layers) == 3
    assert adapter.decoder is adapter.model.language_model.model
