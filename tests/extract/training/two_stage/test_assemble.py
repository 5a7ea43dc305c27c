"""Models to train: assembled from two parts, or drawn at random; padding of pictures."""

import pid_lvlm.extract.models.torchvision_compat  # noqa: F401  before transformers

# isort: split
import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPVisionModel, LlamaForCausalLM

from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.training.two_stage.assemble import load_checkpoint, load_model, set_pictures
from pid_lvlm.extract.training.two_stage.checkpoints import save_checkpoint
from pid_lvlm.extract.training.two_stage.errors import RecipeError
from pid_lvlm.extract.training.two_stage.parts import parameters_of
from pid_lvlm.extract.training.two_stage.recipe import ModelChoice
from tests.extract.tiny_llava import tiny_model, tiny_processor
from tests.extract.training.two_stage.small import make_model


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A language model and a vision tower, each as a checkpoint of its own; their tokenizer has no <image>."""
    folder = tmp_path_factory.mktemp("parts")
    whole, processor = tiny_model(), tiny_processor()
    text = whole.config.text_config
    language = LlamaForCausalLM(text)
    language.model.load_state_dict(whole.model.language_model.state_dict())
    language.lm_head.load_state_dict(whole.lm_head.state_dict())
    language.save_pretrained(folder / "language")
    processor.tokenizer.save_pretrained(folder / "language")
    tower = CLIPVisionModel(whole.config.vision_config)
    tower.load_state_dict(whole.model.vision_tower.state_dict())
    tower.save_pretrained(folder / "vision")
    processor.image_processor.save_pretrained(folder / "vision")
    return folder, whole


def choice(folder, **more):
    return ModelChoice(language=str(folder / "language"), vision=str(folder / "vision"), **more)


def test_a_llava_is_assembled_from_the_weights_of_its_parts(folders, tmp_path):
    folder, whole = folders
    adapter = load_model(choice(folder), seed=0)
    for part in ("language", "vision"):
        wanted = parameters_of(type(adapter)(whole, adapter.processor), part)
        for ours, theirs in zip(parameters_of(adapter, part), wanted, strict=True):
            assert torch.equal(ours, theirs)
    again, other = (load_model(choice(folder), seed=seed) for seed in (0, 1))
    projector = [parameters_of(one, "projector")[0] for one in (adapter, again, other)]
    assert torch.equal(projector[0], projector[1])
    assert not torch.equal(projector[0], projector[2])
    set_pictures(adapter, "pad")
    model = adapter.model
    save_checkpoint(model, model.state_dict(), adapter.processor, tmp_path / "x-step-1", "float32", None)
    loaded = load_checkpoint(tmp_path / "x-step-1")
    assert all(torch.equal(value, loaded.model.state_dict()[name]) for name, value in model.state_dict().items())
    assert loaded.render("what?", picture=True) == "USER: <image>\nwhat? ASSISTANT:"
    assert loaded.processor.image_processor.do_pad


def test_planning_needs_no_memory_and_random_weights_no_files(folders, tmp_path):
    folder, _ = folders
    planned = load_model(choice(folder), seed=0, weights=False)
    assert {weight.device.type for weight in planned.model.parameters()} == {"meta"}
    drawn = load_model(choice(folder, random_weights=True), seed=0)
    assert drawn.model.device.type == "cpu"
    (make_model(tmp_path / "model") / "model.safetensors").unlink()
    whole = load_model(ModelChoice(checkpoint=str(tmp_path / "model"), random_weights=True), seed=0)
    assert torch.isfinite(parameters_of(whole, "projector")[0]).all()


def test_a_part_that_is_not_there_is_one_sentence(folders):
    folder, _ = folders
    with pytest.raises(ModelError, match=r"model `.*/none` is not there; expected a checkpoint folder or a hub id"):
        load_model(ModelChoice(language=str(folder / "language"), vision=str(folder / "none")), seed=0)
    (folder / "empty").mkdir()
    with pytest.raises(RecipeError, match="cannot read `.*/empty`"):
        load_model(ModelChoice(language=str(folder / "language"), vision=str(folder / "empty")), seed=0)


def test_parts_of_another_kind_are_one_sentence(folders, tmp_path):
    folder, whole = folders
    whole.save_pretrained(tmp_path / "whole")
    tiny_processor().save_pretrained(tmp_path / "whole")
    for parts, message in (
        (
            {"language": tmp_path / "whole", "vision": folder / "vision"},
            "has model type llava and is not a language model",
        ),
        (
            {"language": folder / "language", "vision": folder / "language"},
            "model type llama; a LLaVA is assembled with CLIP",
        ),
    ):
        with pytest.raises(RecipeError, match=message):
            load_model(ModelChoice(**{name: str(part) for name, part in parts.items()}), seed=0, weights=False)


def test_pictures_are_padded_with_the_mean_colour_or_cropped(folders):
    adapter = load_model(choice(folders[0]), seed=0, weights=False)
    wide = Image.fromarray(np.full((8, 32, 3), 255, np.uint8))
    pixels = {}
    for how in ("pad", "crop"):
        set_pictures(adapter, how)
        pixels[how] = adapter.processor(text="<image>", images=wide, return_tensors="pt")["pixel_values"]
    assert pixels["pad"].shape == pixels["crop"].shape == (1, 3, 16, 16)
    assert pixels["pad"][0, :, 0].abs().max() < 0.05  # mean colour, 0 after normalisation
    assert pixels["crop"].min() > 1.5
