"""The port of Cambrian-1: official names, both connectors, the roads past the embeddings, prompts, pictures."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoConfig

from pid_lvlm.data.names import CONDITIONS, LANGUAGE_ONLY
from pid_lvlm.extract.config import ModelSpec
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.measure.encode import encode_batch
from pid_lvlm.extract.models.cambrian import grid
from pid_lvlm.extract.models.cambrian.aggregator import Aggregator
from pid_lvlm.extract.models.cambrian.processing import prepared
from pid_lvlm.extract.models.cambrian.prompts import template_of
from pid_lvlm.extract.models.cambrian.towers import Tower, find_towers, load_towers
from pid_lvlm.extract.models.load import load_adapter
from tests.extract.models.families.cambrian import FAMILIES, connector_only_config
from tests.extract.models.families.conftest import Tiny
from tests.extract.models.families.test_families import other_pictures
from tests.extract.models.families.tiny import tokenizer

in_llm = pytest.mark.parametrize("tiny", FAMILIES[:1], indirect=True, ids=["in_llm"], scope="session")
connector_only = pytest.mark.parametrize("tiny", FAMILIES[1:], indirect=True, ids=["connector_only"], scope="session")


def aggregator_names(start: str, towers: int, windows: tuple[int, ...]) -> set[str]:
    """Parameters of one layer of the aggregator, as the official code names them."""
    names = {"proj_context.weight", "proj_in.weight", "proj_out.linear_1.weight", "proj_out.linear_2.weight"}
    names |= {"norm.weight", "norm.bias", "cross_attn.o_proj.weight"}
    for projection in ("q_proj", *(f"{which}_proj_{index}" for which in "kv" for index in range(towers))):
        names |= {f"cross_attn.{projection}.{part}" for part in ("0.weight", "0.bias", "1.weight")}
    names |= {f"pos_embed_{index}" for index in windows}
    return {f"{start}.{name}" for name in names}


@in_llm
def test_parameters_have_the_official_names(tiny: Tiny) -> None:
    saved = set(load_file(tiny.folder / "model.safetensors"))
    connector = {name for name in saved if not name.startswith(("model.layers.", "model.norm", "lm_head"))}
    expected = {"model.embed_tokens.weight", "model.vision_query", "model.image_newline"}
    expected |= {f"model.mm_projector.{index}.{part}" for index in (0, 2) for part in ("weight", "bias")}
    for tower in range(4):
        expected |= {f"model.mm_projector_aux_{tower}.{i}.{p}" for i in (0, 2, 3) for p in ("weight", "bias")}
    for layer in range(2):
        expected |= aggregator_names(f"model.vision_sampler_0.layers.{layer}", 4, (3,))
        expected |= aggregator_names(f"model.vision_sampler_layers.{layer}.layers.0", 4, (3,))
    assert connector == expected


@in_llm
def test_weights_are_read_back(tiny: Tiny) -> None:
    loaded = tiny.adapter.model.state_dict()
    saved = load_file(tiny.folder / "model.safetensors")
    assert all(torch.equal(loaded[name].cpu(), tensor) for name, tensor in saved.items())
    assert {name for name in loaded if name not in saved} == {n for n in loaded if ".vision_tower_aux_list." in n}


@in_llm
def test_samplers_carry_the_picture_past_the_embeddings(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [site.name for site in tiny.adapter.sites]
    assert names == ["vision", "language", "tower_0", "tower_1", "tower_2", "tower_3", "context"]
    index = CONDITIONS.index(LANGUAGE_ONLY)
    assert set(tiny.measurement.stats) == set(names)
    for kept in (tiny.adapter.sites[:2], tiny.adapter.sites[:6], (*tiny.adapter.sites[:5], tiny.adapter.sites[6])):
        monkeypatch.setattr(tiny.adapter, "sites", kept)
        one, other = (tiny.measure(tiny.plan(items)[:1]) for items in (tiny.dataset.items, other_pictures(tiny)))
        assert np.abs(one["loglik"][0, index, -1, :2] - other["loglik"][0, index, -1, :2]).max() > 1e-5


@in_llm
def test_samplers_run_after_their_layers_only(tiny: Tiny) -> None:
    """Two of them, after layers 0 and 2 of three; no picture, no sampler."""
    model, calls = tiny.adapter.model, []
    handles = [
        sampler.register_forward_hook(lambda *_, index=index: calls.append(index))
        for index, sampler in enumerate(model.model.vision_sampler_layers)
    ]
    assert model.config.sampler_at == {0: 0, 2: 1}
    items = tiny.plan()[:1]
    with torch.inference_mode():
        tiny.adapter.forward(encode_batch(tiny.adapter, items).inputs, 1)
        assert calls == [0, 1]
        tiny.adapter.forward(tiny.adapter.encode([items[0].text_only_prompt], None), 1)
    assert calls == [0, 1]
    for handle in handles:
        handle.remove()


@connector_only
def test_connector_only_has_no_other_road(tiny: Tiny) -> None:
    assert [site.name for site in tiny.adapter.sites] == ["vision", "language"]
    assert not any("vision_sampler_layers" in name for name in tiny.adapter.model.state_dict())
    inputs = encode_batch(tiny.adapter, tiny.plan()).inputs
    assert inputs["mm_encoder_outputs"]["image"].features == ()


@connector_only
def test_row_ends_are_the_newline_vector(tiny: Tiny) -> None:
    """A picture of 40 × 20 fills 2 of 4 columns: rows of two patches and an end."""
    adapter, items = tiny.adapter, tiny.plan()
    assert tiny.measure(items)["x1_tokens"].tolist() == [20, 10, 12, 20]
    batch = encode_batch(adapter, items)
    embedded = batch.inputs["mm_encoder_outputs"]["image"].embeddings
    newline = adapter.model.model.image_newline
    ends = (embedded == newline).all(dim=1)
    counts = (4, 2, 4, 4)
    assert int(ends.sum()) == sum(counts)
    patches = adapter.other_masks({**batch.inputs})["patches"]
    assert patches.sum(dim=1).tolist() == [16, 8, 8, 16]
    assert torch.equal(ends, ~patches[batch.masks.vision])


@pytest.mark.parametrize(("size", "expected"), [((30, 30), (8, 8)), ((64, 30), (4, 8)), ((10, 80), (8, 2))])
def test_grids_leave_the_bars_out(size: tuple[int, int], expected: tuple[int, int]) -> None:
    """Scaled heights 3.75 and 1 of 8 cells are cut to whole ones, and as much is trimmed at either edge."""
    assert grid.shape(8, size) == expected


def test_windows_hold_what_lies_at_their_place() -> None:
    """Against plain indexing: a fine grid of 8 × 8, windows of 2 × 2, a wide picture with bars above and below."""
    size, fine, side = (64, 34), 8, 4
    features = torch.arange(fine * fine, dtype=torch.float32)[:, None]
    cells, seen = grid.windows(features, side, size, trimmed=True)
    fine_rows, rows = grid.margins(fine, size)[0], grid.margins(side, size)[0]
    expected = []
    for row in range(rows, side - rows):
        for column in range(side):
            places = [(2 * row + i, 2 * column + j) for i in range(2) for j in range(2)]
            shown = [fine_rows <= r < fine - fine_rows for r, _ in places]
            expected.append(([r * fine + c for r, c in places], shown if any(shown) else [True] * 4))
    assert cells[..., 0].tolist() == [places for places, _ in expected]
    assert seen.tolist() == [shown for _, shown in expected]


def test_each_query_attends_to_its_own_window() -> None:
    torch.manual_seed(0)
    aggregator = Aggregator(24, 32, (1, 2), depth=2).eval()
    queries, context = torch.randn(3, 1, 24), torch.randn(3, 1, 32)
    features = [torch.randn(3, 1, 32), torch.randn(3, 4, 32)]
    masks = [torch.ones(3, 1, dtype=torch.bool), torch.tensor([[True, True, False, True]] * 3)]
    before = aggregator(queries, context, features, masks)
    features[1][:, 2] = torch.randn(3, 32)  # hidden by the mask
    assert torch.equal(before, aggregator(queries, context, features, masks))
    features[1][1] = torch.randn(4, 32)  # the window of query 1
    after = aggregator(queries, context, features, masks)
    assert torch.equal(before[[0, 2]], after[[0, 2]])
    assert (before[1] - after[1]).abs().max() > 1e-4


@in_llm
def test_towers_are_what_they_are_named(tiny: Tiny) -> None:
    config = tiny.adapter.model.config
    towers = find_towers(config)
    assert [tower.kind for tower in towers] == ["siglip", "clip", "dinov2", "convnext"]
    assert [tower.resolution for tower in towers] == [28, 28, 42, 64]
    assert [tower.width for tower in towers] == [32, 32, 32, 8 + 12 + 16 + 20]
    pixels = tiny.adapter.processor.image_processor([Image.new("RGB", (9, 9), "red")])
    with torch.inference_mode():
        features = [tower(part) for tower, part in zip(load_towers(config, torch.float32), pixels, strict=True)]
    assert [tuple(part.shape) for part in features] == [(1, 16, 32), (1, 16, 32), (1, 16, 32), (1, 64, 56)]


def test_bars_have_the_towers_colour() -> None:
    """A wide white picture: bars above and below are as dark as the mean, and so near 0 where that mean is used."""
    white = Image.new("RGB", (40, 20), "white")
    for kind, bar in (("clip", 0.0), ("dinov2", 0.0), ("siglip", 0.48145466 * 2 - 1)):
        pixels = prepared(white, Tower("", kind, None, 0, 8))
        assert pixels.shape == (3, 8, 8)
        assert float(pixels[0, 0, 0]) == pytest.approx(bar, abs=0.05)  # resizing overshoots at the edge
        assert float(pixels[0, 4, 4]) > 0.9


@pytest.mark.parametrize(
    ("tokens", "start", "end"),
    [
        (("<|start_header_id|>",), "<|begin_of_text|><|start_header_id|>system", "assistant<|end_header_id|>"),
        (("<|im_start|>",), "<|im_start|>system\nYou are Cambrian", "<|im_start|>assistant\n"),
        ((), "A chat between a curious user", " ASSISTANT:"),
    ],
    ids=["llama_3", "chatml", "vicuna"],
)
def test_the_prompt_is_the_language_models(tokens: tuple[str, ...], start: str, end: str) -> None:
    template = template_of(tokenizer(*tokens))
    assert template.before.startswith(start)
    assert template.after.endswith(end)


def copied(tiny: Tiny, folder: Path) -> Path:
    return Path(shutil.copytree(tiny.folder, folder))


@connector_only
def test_what_does_not_fit_is_one_sentence(tiny: Tiny, tmp_path: Path) -> None:
    folder = copied(tiny, tmp_path / "tiny")
    spec = ModelSpec(str(folder))
    weights = load_file(folder / "model.safetensors")
    missing = {name: tensor for name, tensor in weights.items() if name != "model.vision_query"}
    save_file(missing, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="parameter `model.vision_query` is only on one side"):
        load_adapter(spec)
    trained = {**weights, "model.vision_tower_aux_list.0.vision_tower.x": torch.zeros(1)}
    save_file(trained, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="checkpoints with trained towers or other language models are not supported"):
        load_adapter(spec)
    config = connector_only_config()
    (folder / "config.json").write_text(json.dumps({**config, "mm_projector_type": "mlp2x_gelu"}))
    with pytest.raises(ModelError, match="connector `mlp2x_gelu` are not supported, only `sva`"):
        load_adapter(spec)
    unknown = ["eva/CLIP-1", *config["mm_vision_tower_aux_list"][1:]]
    shutil.rmtree(folder / "vision_towers" / "0")
    (folder / "config.json").write_text(json.dumps({**config, "mm_vision_tower_aux_list": unknown}))
    with pytest.raises(ModelError, match="vision tower `eva/CLIP-1` is not supported; known are siglip/CLIP-ViT"):
        find_towers(AutoConfig.from_pretrained(folder))
