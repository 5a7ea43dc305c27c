"""Other families than LLaVA, and the demo's recipe: records become what a family's own processor makes of them."""

import json

import pid_lvlm.extract.models.torchvision_compat  # noqa: F401  before transformers

# isort: split
import numpy as np
import pytest
import torch
from PIL import Image

from pid_lvlm.data.world import TASKS
from pid_lvlm.extract.config import ModelSpec
from pid_lvlm.extract.models.load import load_adapter
from pid_lvlm.extract.training.demo.models import MODELS
from pid_lvlm.extract.training.demo.world_files import QUICK, write_training_files
from pid_lvlm.extract.training.two_stage.recipe import read_recipe
from pid_lvlm.extract.training.two_stage.records.encoding import Encoder
from pid_lvlm.extract.training.two_stage.records.forms import chat
from pid_lvlm.extract.training.two_stage.records.stage_data import Collator
from pid_lvlm.extract.training.two_stage.records.turns import read_conversation
from pid_lvlm.extract.training.two_stage.stage_trainer import Watch
from pid_lvlm.extract.training.two_stage.training import prepare, run
from tests.extract.models.families.catalogue import FAMILIES
from tests.extract.training.two_stage.small import (
    RECIPE,
    TEMPLATE,
    captions,
    instructions,
    make_pictures,
    record,
    write,
)

pytestmark = pytest.mark.slow
TRAINED = ("qwen2_vl", "idefics3")


@pytest.fixture(params=TRAINED)
def folder(request, tmp_path):
    """Everything that a training of a tiny model of a family needs."""
    (family,) = [one for one in FAMILIES if one.name == request.param]
    family.save(tmp_path / "model")
    processor = family.processor()
    template = TEMPLATE.replace("<image>", processor.image_token).replace("</s>", processor.tokenizer.eos_token)
    (tmp_path / "model" / "chat_template.jinja").write_text(template)
    pictures = make_pictures(tmp_path / "pictures")
    for name in pictures:
        Image.open(tmp_path / "pictures" / name).resize(family.pictures[0][::-1]).save(tmp_path / "pictures" / name)
    write(tmp_path / "captions.json", captions(pictures))
    write(tmp_path / "chat.json", instructions(pictures))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path


def test_inputs_are_the_processors_own_and_the_model_trains(folder):
    recipe = read_recipe(folder / "recipe.toml")
    adapter = load_adapter(ModelSpec(str(folder / "model"), dtype="float32", device="cpu"))
    encoder = Encoder(adapter, recipe.stages[1])
    raw = record(0, "<image>\nWhat is it?", "red", "And?", "blue", image="0.png")
    conversation = read_conversation(raw, folder / "pictures")
    (example,) = encoder.encode([raw])
    text = chat(conversation.turns, adapter.processor).text
    picture = Image.open(folder / "pictures" / "0.png")
    wanted = adapter.processor(text=[text], images=[[picture]] if adapter.nested else [picture], return_tensors="pt")
    batch = Collator(0, encoder.fillers)([{"example": example, "place": 0, "dropped": 0, "source": 0}])
    for name in ("input_ids", *encoder.fillers, *example.picture):
        if name in wanted:
            assert torch.equal(torch.as_tensor(batch[name]), torch.as_tensor(wanted[name])), name
    prepared = prepare(recipe, 1)
    before = {name: weight.clone() for name, weight in adapter.model.state_dict().items()}
    assert len(run(prepared, folder / "out", Watch(), cpu=True)) == 4
    first = load_adapter(ModelSpec(str(folder / "out" / "1-align-step-000003"), dtype="float32", device="cpu"))
    moved = {name for name, weight in first.model.state_dict().items() if not torch.equal(weight, before[name])}
    assert moved
    assert all(f"{adapter.projector}." in name for name in moved)
    losses = [json.loads(line)["loss"] for line in (folder / "out" / "losses.jsonl").read_text().splitlines()]
    assert losses[2] < losses[0]


@pytest.mark.parametrize("name", ["demo-llava-tiny", "demo-qwen2-vl-tiny"])
def test_the_demos_recipe_trains_on_the_worlds_files(tmp_path, name):
    (path,) = write_training_files(tmp_path / "world", [MODELS[name]], QUICK)
    prepared = prepare(read_recipe(path), 1)
    assert [plan.pictured > 0 for plan in prepared.plans] == [False, True, True]
    assert np.sum(~prepared.data[2].pictured) > 0
    assert set(prepared.data[2].sources) == set(TASKS)
    assert len(run(prepared, tmp_path / "out", Watch(), cpu=True)) == 5
