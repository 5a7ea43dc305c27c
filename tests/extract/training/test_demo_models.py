"""The demo's models before training: two families of real classes, their tokenizers, pictures and recipes."""

import json
import tomllib
from dataclasses import replace

import pid_lvlm.extract.models.torchvision_compat  # noqa: F401  before transformers

# isort: split
import numpy as np
import pytest
import torch

from pid_lvlm.data.errors import OutputExistsError
from pid_lvlm.data.world import TASKS, get_task, make_items
from pid_lvlm.data.world.tasks import LETTERS
from pid_lvlm.extract.training.checkpoint_index import Checkpoint
from pid_lvlm.extract.training.demo.models import FAMILIES, MODELS
from pid_lvlm.extract.training.demo.sizes import SIZES, ModelSize
from pid_lvlm.extract.training.demo.vision_pretraining import pretrain_vision
from pid_lvlm.extract.training.demo.world_files import QUICK, corpus, recipe_text, write_training_files
from pid_lvlm.extract.training.two_stage.recipe import find_recipe, read_recipe
from pid_lvlm.extract.training.two_stage.records.dropped import DROP_PICTURE, dropped_spans
from pid_lvlm.extract.training.two_stage.records.order import training_order

MICRO = ModelSize(hidden=16, layers=1, heads=2, intermediate=16, vision_hidden=16, vision_layers=1, vision_heads=2)
TEXTS = list(corpus())


@pytest.fixture(scope="module", params=FAMILIES, ids=lambda family: family.label)
def made(request):
    family = request.param
    model = replace(MODELS[f"demo-{family.label}-tiny"], size=MICRO)
    return model, *model.build(TEXTS, seed=0)


def test_the_same_seed_gives_the_same_weights(made):
    model, first, _ = made
    again, other = (model.build(TEXTS, seed)[0].state_dict() for seed in (0, 1))
    assert all(torch.equal(weight, again[name]) for name, weight in first.state_dict().items())
    assert any(not torch.equal(weight, other[name]) for name, weight in first.state_dict().items())


def test_every_word_of_the_world_is_one_token(made):
    tokenizer = made[2].tokenizer
    words = {word for text in TEXTS for word in tokenizer.tokenize(text)}
    assert not [word for word in words if word.startswith("##")]


def test_a_picture_fills_its_places_and_its_turn_begins_with_it(made):
    model, _, processor = made
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "which quadrant is lit?"}]}]
    prompt = processor.apply_chat_template(messages, add_generation_prompt=True)
    answered = [*messages, {"role": "assistant", "content": [{"type": "text", "text": "A"}]}]
    whole = processor.apply_chat_template(answered)
    tokens = processor.tokenizer.tokenize(whole.removeprefix(prompt).strip())
    assert tokens == ["A", model.family.marks.end]
    item = make_items(get_task("sight"), 1)[0]
    from_item = processor(images=[_picture(item)], text=[prompt], return_tensors="pt")
    assert int((from_item["input_ids"] == processor.image_token_id).sum()) == 16


def _picture(item):
    import io

    from PIL import Image

    return Image.open(io.BytesIO(item.png)).convert("RGB")


def test_the_tower_learns_to_classify_and_nothing_else_moves(made):
    model, built, processor = made
    before = {name: weight.clone() for name, weight in built.state_dict().items()}
    tower = {id(weight) for weight in model.family.vision(built)}
    named = {name for name, weight in built.named_parameters() if id(weight) in tower}
    losses = pretrain_vision(model.family, built, processor, make_items(get_task("sight"), 64), 24, seed=0)
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    moved = {name for name, weight in built.state_dict().items() if not torch.equal(weight, before[name])}
    assert moved
    assert moved <= named


@pytest.mark.parametrize("name", MODELS)
def test_recipes_differ_in_name_and_start_only(name):
    shipped = tomllib.loads(find_recipe("demo-tiny").read_text(encoding="utf-8"))
    own = tomllib.loads(recipe_text(name))
    assert own == shipped | {"name": name, "model": {"checkpoint": name}}
    quick = tomllib.loads(recipe_text(name, quick=True))
    assert [stage["steps"] for stage in quick["stages"]] == [2, 2, 2]
    assert [stage["train"] for stage in quick["stages"]] == [stage["train"] for stage in shipped["stages"]]


def test_sizes_differ_and_names_say_family_and_size():
    assert len({size.hidden for size in SIZES.values()}) == len(SIZES) == 2
    assert {name: (model.family.label, model.size) for name, model in MODELS.items()} == {
        f"demo-{family.label}-{label}": (family.label, size) for family in FAMILIES for label, size in SIZES.items()
    }


def test_files_are_what_the_recipes_name(tmp_path):
    (recipe,) = write_training_files(tmp_path / "world", [MODELS["demo-llava-tiny"]], QUICK)
    read = read_recipe(recipe)
    assert read.model.checkpoint == str(tmp_path / "world" / "demo-llava-tiny")
    assert {stage.name for stage in read.stages} == {"text", "align", "tune"}
    assert all((tmp_path / "world" / f"{name}.json").is_file() for name in ("captions", "align", "tune"))
    assert read.stages[-1].noise_by == "task"
    assert len(TASKS) == 5
    with pytest.raises(OutputExistsError, match="exists and is not empty"):
        write_training_files(tmp_path / "world", [MODELS["demo-llava-tiny"]], QUICK)


def test_records_with_one_source_have_the_table_of_their_task(tmp_path):
    world = replace(QUICK, conversations=64, emphasis=(("blend", 32),))
    write_training_files(tmp_path / "world", [], world)
    records = json.loads((tmp_path / "world" / "tune.json").read_text())
    pictured = np.array(["image" in record for record in records])
    assert pictured.mean() == pytest.approx(1 - world.no_image_share, abs=0.001)
    blend = np.array([record["task"] == "blend" for record in records])
    hints = np.array([record["conversations"][0]["value"].rpartition("hints at ")[2][0] for record in records])
    answers = np.array([record["conversations"][1]["value"] for record in records])
    told = get_task("blend").joint.sum(0)

    def off(kept):
        found = [[(kept & (hints == hint) & (answers == letter)).sum() for letter in LETTERS] for hint in LETTERS]
        return np.abs(np.array(found) - told * kept.sum()).max()

    assert off(blend & ~pictured) < 3
    steps = len(records) // 48
    order = training_order(np.ones(len(records), int), pictured, 48, steps, 1, grouped=False, systematic=True)
    unseen = np.zeros(len(records), bool)
    unseen[order[dropped_spans(order, pictured, 0.5, 1) == DROP_PICTURE]] = True
    assert (unseen & blend).sum() > 400
    assert off(unseen & blend) < 6  # that of a sample: about 15


def test_checkpoint_entry():
    text = Checkpoint("checkpoints/llava-tiny/tune-0002", "demo-llava-tiny", 0.0003, "tune", 2, True).fields
    assert 'size_b = 0.0003000\nstage = "tune"\nstep = 2\nfinal = true' in text
