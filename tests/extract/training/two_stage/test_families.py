"""Other families than LLaVA, and the demo's recipe: records become what a family's own processor makes of them."""

import json
from dataclasses import replace

import pid_lvlm.extract.models.torchvision_compat  # noqa: F401  before transformers

# isort: split
import numpy as np
import pytest
import torch
from PIL import Image

from pid_lvlm.extract.config import ModelSpec
from pid_lvlm.extract.models.load import load_adapter
from pid_lvlm.extract.training.demo.recipe import RECIPE as DEMO
from pid_lvlm.extract.training.demo.recipe import SIZES, quick
from pid_lvlm.extract.training.demo.training_files import write_training_files
from pid_lvlm.extract.training.two_stage.recipe import find_recipe, read_recipe
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
    example = encoder.encode(raw)
    text = chat(conversation.turns, adapter.processor).text
    picture = Image.open(folder / "pictures" / "0.png")
    wanted = adapter.processor(text=[text], images=[[picture]] if adapter.nested else [picture], return_tensors="pt")
    batch = Collator(0, encoder.fillers)([{"example": example, "place": 0, "dropped": 0}])
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


def test_the_demos_recipe_trains_on_the_worlds_files(tmp_path):
    written = write_training_files(tmp_path / "world", SIZES["tiny"], quick(DEMO))
    assert [path.name for path in written] == ["model", "captions.json", "align.json", "tune.json"]
    recipe = read_recipe(find_recipe("demo-tiny"), tmp_path / "world")
    stages = tuple(replace(stage, steps=2, batch_size=8, held_out=4, checkpoints=2) for stage in recipe.stages)
    short = replace(recipe, stages=stages, log_every=1, device_batch=8)
    prepared = prepare(short, 1)
    assert [plan.pictured > 0 for plan in prepared.plans] == [False, True, True]
    assert np.sum(~prepared.data[2].pictured) > 0
    assert len(run(prepared, tmp_path / "out", Watch(), cpu=True)) == 6
