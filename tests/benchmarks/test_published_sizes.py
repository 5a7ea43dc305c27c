"""Models for timings have the sizes that their names say."""

import pid_lvlm.extract.models.torchvision_compat  # noqa: F401  before transformers

# isort: split
import pytest
import torch
from transformers import AutoModelForImageTextToText

from benchmarks import real_size
from benchmarks.measuring.published_sizes import SIZES
from pid_lvlm.extract.config import ModelSpec
from pid_lvlm.extract.models.load import load_adapter

MILLIONS = {"llava-7b": 7063, "onevision-0.5b": 894, "qwen2.5-vl-0.5b": 1157, "internvl-1b": 938}
"""As published, where such a model is; the third is Qwen2.5-VL's vision part (663) and Qwen2-0.5B (494)."""


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_whole_models_have_as_many_weights_as_published(name):
    size = SIZES[name]
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(size.config(size.layers, size.vision_layers))
    weights = {id(weight): weight.numel() for weight in model.parameters()}
    assert sum(weights.values()) / 1e6 == pytest.approx(MILLIONS[name], rel=0.02)


@pytest.mark.slow
def test_a_cut_model_is_written_with_its_items(tmp_path):
    folder = tmp_path / "onevision-0.5b"
    arguments = ("--out", tmp_path, "--model", folder.name, "--layers", 1, "--items", 2, "--device", "cpu")
    assert real_size.main([*map(str, arguments)]) == 0
    assert len((tmp_path / "items.jsonl").read_text().splitlines()) == 2
    adapter = load_adapter(ModelSpec(str(folder), device="cpu"))
    assert adapter.model.config.vision_config.num_hidden_layers == 1
    assert adapter.model.config.text_config.num_hidden_layers == 1
