"""A processor's text for a picture is written once per size, and only where that changes nothing."""

import pid_lvlm.extract.models.torchvision_compat  # noqa: F401  before transformers

# isort: split
import numpy as np
import pytest
import torch
from PIL import Image

from pid_lvlm.extract.config import ModelSpec
from pid_lvlm.extract.models.load import load_adapter
from pid_lvlm.extract.training.two_stage.errors import RecipeError
from pid_lvlm.extract.training.two_stage.records.picture_inputs import PictureInputs, check_processor
from tests.extract.models.families.catalogue import FAMILIES

NOT_TRAINED = ("instructblip", "instructblip_t5", "fuyu", "cambrian_llama", "cambrian_llama_connector_only")
"""InstructBLIP's Q-Former reads the question, Fuyu has no placeholder, Cambrian's processor takes other arguments."""


def adapter_of(family, folder):
    family.save(folder)
    return load_adapter(ModelSpec(str(folder), dtype="float32", device="cpu"))


def picture(height, width, seed):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.slow
@pytest.mark.parametrize("family", [one for one in FAMILIES if one.name in NOT_TRAINED], ids=lambda one: one.name)
def test_a_family_that_cannot_be_trained_is_refused_in_a_sentence(family, tmp_path):
    with pytest.raises(RecipeError, match=r"cannot be trained here: their processor .*; docs/training\.md"):
        check_processor(adapter_of(family, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("family", [one for one in FAMILIES if one.name not in NOT_TRAINED], ids=lambda one: one.name)
def test_inputs_of_every_family_are_those_of_its_whole_processor(family, tmp_path):
    adapter = adapter_of(family, tmp_path)
    check_processor(adapter)
    by_token = adapter.appended.keys() - {"attention_mask"}
    made = PictureInputs(adapter.processor, nested=adapter.nested, unused=adapter.unused, by_token=by_token)
    shown = [picture(*size, seed) for seed, size in enumerate([*family.pictures[:2]] * 4)]
    # One by one until the processor's parts are seen to agree, then three of a size together.
    for some in ([shown[0]], [shown[1]], shown[2:4], shown[4:]):
        for one, found in zip(some, made(some), strict=True):
            whole = adapter.processor(
                text=[adapter.processor.image_token],
                images=[[one]] if adapter.nested else [one],
                return_tensors="pt",
                add_special_tokens=False,
            )
            wanted = {name: value for name, value in whole.items() if name not in adapter.unused}
            assert found.keys() == wanted.keys()
            for name, value in wanted.items():
                torch.testing.assert_close(found[name], value, rtol=0, atol=0)


class Processor:
    """Counts its calls; `scaled` makes the image processor alone give something else."""

    image_token = "<image>"

    def __init__(self, *, scaled):
        self.scaled, self.calls = scaled, 0

    def __call__(self, text, images, **_):
        self.calls += 1
        assert len(images) == 1
        ids = torch.arange(images[0].size[0])[None]
        pixels = self.image_processor(images)["pixel_values"]
        return {"input_ids": ids, "pixel_values": pixels * (2 if self.scaled else 1)}

    def image_processor(self, images, **_):
        return {"pixel_values": torch.stack([torch.tensor(np.asarray(one), dtype=torch.float32) for one in images])}


@pytest.mark.parametrize("scaled", [False, True])
def test_the_whole_processor_is_used_again_only_where_its_parts_disagree(scaled):
    processor = Processor(scaled=scaled)
    made = PictureInputs(processor)
    for seed in range(0, 8, 4):
        shown = [picture(4, 6, seed + more) for more in range(3)] + [picture(4, 5, seed)]
        for one, found in zip(shown, made(shown), strict=True):
            assert torch.equal(found["input_ids"], torch.arange(one.size[0])[None])
            pixels = torch.tensor(np.asarray(one), dtype=torch.float32)[None]
            assert torch.equal(found["pixel_values"], pixels * (2 if scaled else 1))
    # Else once per size, and once to see that the parts agree.
    assert processor.calls == (8 if scaled else 3)


def test_a_processor_without_an_image_processor_is_used_whole():
    class Alone(Processor):
        image_processor = property()

        def __call__(self, text, images, **_):
            return {"input_ids": torch.ones(1, 2, dtype=torch.long), "pixel_values": torch.ones(1)}

    made = PictureInputs(Alone(scaled=False))
    assert all(one.keys() == {"input_ids", "pixel_values"} for one in made([picture(4, 4, seed) for seed in range(4)]))
