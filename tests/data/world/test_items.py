"""Items and cards: deterministic, faithful to the table, and equal to the shipped files."""

import base64
import io
import json
import tomllib
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image

from pid_lvlm.data.world import TASKS, Scene, draw, get_task, make_items, true_atoms, user_text, write_card, write_items
from pid_lvlm.data.world.pictures import encode_png
from pid_lvlm.data.world.tasks import LETTERS
from tests import ROOT

SHIPPED = ROOT / "data" / "demo" / "items"


@pytest.mark.parametrize("name", TASKS)
def test_shipped_items_and_cards_are_those_of_the_world(name, tmp_path):
    task = get_task(name)
    shipped = SHIPPED / f"{name}.jsonl"
    count = len(shipped.read_text().splitlines())
    write_items(make_items(task, count), tmp_path / "items.jsonl")
    write_card(task, tmp_path / "card.toml")
    made = [json.loads(line) for line in (tmp_path / "items.jsonl").read_text().splitlines()]
    there = [json.loads(line) for line in shipped.read_text().splitlines()]
    # Compression may differ between zlib builds, pixels may not.
    for one, other in zip(made, there, strict=True):
        assert np.array_equal(_pixels(one.pop("image")), _pixels(other.pop("image")))
        assert one == other
    assert (tmp_path / "card.toml").read_text() == (SHIPPED / f"{name}.toml").read_text()


def _pixels(image):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(image))))


@pytest.mark.parametrize("name", TASKS)
def test_ground_truth_atoms_of_the_card_follow_from_the_table(name):
    ground_truth = tomllib.loads((SHIPPED / f"{name}.toml").read_text())["ground_truth"]
    atoms = asdict(true_atoms(get_task(name)))
    assert ground_truth == pytest.approx({key: atoms[key] for key in ground_truth}, abs=1e-6)
    assert set(ground_truth) == {"redundancy", "unique_vision", "unique_language", "synergy"}


@pytest.mark.parametrize("name", TASKS)
def test_items_carry_the_frequencies_of_the_table(name):
    task = get_task(name)
    items = make_items(task, 960, seed=3)
    assert len({item.id for item in items}) == 960
    counts = np.zeros(task.joint.shape)
    for item in items:
        counts[task.scenes.index(item.scene), task.questions.index(item.question), LETTERS.index(item.answer)] += 1
    assert np.abs(counts - 960 * task.joint).max() < 1


def test_items_depend_on_their_seed_alone():
    task = get_task("fusion")
    assert make_items(task, 12, seed=1) == make_items(task, 12, seed=1)
    assert make_items(task, 12, seed=1) != make_items(task, 12, seed=2)


def test_prompt_text():
    text = user_text("which?", ("one", "two"))
    assert text.splitlines() == [
        "which?",
        "A. one",
        "B. two",
        "Answer with the option's letter from the given choices directly.",
    ]


def test_png_is_read_back_exactly():
    picture = np.random.default_rng(0).integers(0, 256, size=(5, 7, 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode_png(picture)))), picture)
    with pytest.raises(ValueError, match="uint8 RGB"):
        encode_png(picture.astype(float))


@pytest.mark.parametrize("quadrant", range(4))
@pytest.mark.parametrize("kind", ["quadrant", "tinted"])
def test_the_lit_quadrant_is_the_brightest(kind, quadrant):
    for seed in range(20):
        picture = draw(Scene(kind, quadrant), np.random.default_rng(seed)).astype(float).sum(axis=2)
        quarters = picture.reshape(2, 16, 2, 16).mean(axis=(1, 3)).ravel()
        assert quarters.argmax() == quadrant


def test_pictures_vary():
    rng = np.random.default_rng(0)
    assert len({draw(Scene("shape", 0), rng).tobytes() for _ in range(20)}) > 15


def test_unknown_task_gets_a_suggestion():
    with pytest.raises(ValueError, match="did you mean `fusion`"):
        get_task("fussion")
