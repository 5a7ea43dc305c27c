"""The shipped checkpoints load through the Auto classes and know their answers."""

import base64
import io
import json
import re
import tomllib

import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from pid_lvlm.data.world import TASKS, user_text
from pid_lvlm.extract.cli.sweep_file import read_sweep
from pid_lvlm.extract.datasets.card import read_card
from pid_lvlm.extract.training.checkpoint_index import Checkpoint, index_toml, sweep_toml
from pid_lvlm.extract.training.demo.make_demo import CROSSED
from pid_lvlm.extract.training.demo.sizes import NAMES
from pid_lvlm.extract.training.demo.world_files import recipe_text
from tests import ROOT

DEMO = ROOT / "data" / "demo"
ENTRIES = tomllib.loads((DEMO / "checkpoints.toml").read_text())["checkpoint"]
FINAL = [entry for entry in ENTRIES if entry["final"]]


def test_two_families_in_two_sizes_with_four_checkpoints_of_each_stage():
    by_stage = {(entry["name"], entry["stage"]): 0 for entry in ENTRIES}
    for entry in ENTRIES:
        by_stage[entry["name"], entry["stage"]] += 1
    models = tuple(NAMES)
    assert by_stage == {(model, stage): 4 for model in models for stage in ("align", "tune")}
    assert {entry["name"] for entry in FINAL} == set(models)
    assert sum(path.stat().st_size for path in DEMO.rglob("*") if path.is_file()) < 28e6


def test_the_index_and_the_sweep_are_the_trainers():
    kept = [Checkpoint(**entry) for entry in ENTRIES]
    cards = [f"items/{name}.toml" for name in TASKS]
    assert (DEMO / "checkpoints.toml").read_text() == index_toml(kept)
    assert (DEMO / "sweep.toml").read_text() == sweep_toml(kept, cards, CROSSED)
    models, datasets = read_sweep(DEMO / "sweep.toml", "cpu")
    assert [model.layers for model in models].count("all") == len(FINAL)
    assert len(ENTRIES) == 32
    assert len(models) == 24
    assert {model.step for model in models if model.layers != "all"} == {100, 200, 1000, 2000, 3000}
    assert [model.crossed for model in models].count(8) == 1
    names = {read_card(DEMO / dataset.file).name for dataset in datasets}
    assert all(set(model.datasets or names) <= names for model in models)
    assert all((DEMO / dataset.file).is_file() for dataset in datasets)
    assert len(datasets) == 5


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_trainings_are_those_of_the_recipe(name):
    folder = DEMO / "training" / name.removeprefix("demo-")
    trained, recipe = json.loads((folder / "training.json").read_text())["recipe"], tomllib.loads(recipe_text(name))
    assert trained["name"] == name
    for done, stage in zip(trained["stages"], recipe["stages"], strict=True):
        assert {key: done[key] for key in stage} == {**stage, "train": list(stage["train"])}
    rows = [json.loads(line) for line in (folder / "losses.jsonl").read_text().splitlines()]
    last = {row["stage"]: row["step"] for row in rows}
    assert last == {stage["name"]: stage["steps"] for stage in recipe["stages"]}
    kept = {(entry["stage"], entry["step"]) for entry in ENTRIES if entry["name"] == name}
    assert kept <= {(row["stage"], row["step"]) for row in rows if row["held_out_loss"] is not None}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["model"])
def test_checkpoint_folders_are_complete_and_name_no_machine(entry):
    folder = DEMO / entry["model"]
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"} <= names
    for path in folder.glob("*.json"):
        assert not re.search(r"/(home|tmp|root|work|Users)/", path.read_text())


@pytest.mark.parametrize("entry", FINAL, ids=lambda entry: entry["name"])
@pytest.mark.parametrize("task", ["fusion", "knowledge", "sight", "agreement"])
def test_final_checkpoints_answer(entry, task):
    folder = DEMO / entry["model"]
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    rows = [json.loads(line) for line in (DEMO / "items" / f"{task}.jsonl").read_text().splitlines()[:24]]
    prompts, images = [], []
    for row in rows:
        text = user_text(row["question"], row["options"])
        content = [{"type": "image"}, {"type": "text", "text": text}]
        message = [{"role": "user", "content": content}]
        prompts.append(processor.apply_chat_template(message, add_generation_prompt=True))
        images.append(Image.open(io.BytesIO(base64.b64decode(row["image"]))))
    inputs = processor(images=images, text=prompts, return_tensors="pt", padding=True)
    with torch.no_grad():
        logits = model(**inputs, logits_to_keep=1).logits[:, -1]
    answers = processor.tokenizer.convert_ids_to_tokens(logits.argmax(-1))
    right = sum(answer == row["answer"] for answer, row in zip(answers, rows, strict=True))
    assert right >= 23
