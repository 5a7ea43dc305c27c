"""LLaVA-1.5 at reduced width from its published files: masks, batches and losses of a second, plain writing."""

import json

import pid_lvlm.extract.models.torchvision_compat  # noqa: F401  before transformers

# isort: split
import numpy as np
import pytest

from pid_lvlm.extract.training.two_stage.assemble import set_pictures
from pid_lvlm.extract.training.two_stage.recipe import read_recipe
from pid_lvlm.extract.training.two_stage.records.order import training_order
from pid_lvlm.extract.training.two_stage.records.stage_data import Collator, InOrder
from pid_lvlm.extract.training.two_stage.stage_trainer import Watch
from pid_lvlm.extract.training.two_stage.training import prepare, run
from tests.extract.training.two_stage import plain_llava as plain
from tests.extract.training.two_stage.reduced import make_data, make_parts, recipe_text
from tests.extract.training.two_stage.small import train_in_two_processes

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
STEPS, BATCH, SEED = 10, 4, 42


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reduced")
    make_parts(folder)
    make_data(folder)
    (folder / "recipe.toml").write_text(recipe_text(STEPS), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def prepared(folder):
    return prepare(read_recipe(folder / "recipe.toml"), 1)


@pytest.fixture(scope="module")
def by_hand(folder):
    """Records of both stages and what each step of theirs holds, by the plain writing."""
    tokenizer = plain.read_tokenizer(folder)
    records = [plain.read_records(folder, stage, tokenizer) for stage in plain.STAGES]
    orders = [
        plain.order_of(found, stage, BATCH, STEPS, SEED) for found, stage in zip(records, plain.STAGES, strict=True)
    ]
    return records, orders


@pytest.fixture(scope="module")
def losses(prepared, folder):
    run(prepared, folder / "one", Watch(), cpu=True)
    return read_losses(folder / "one")


def read_losses(out):
    rows = [json.loads(line) for line in (out / "losses.jsonl").read_text().splitlines()]
    assert [(row["stage"], row["step"]) for row in rows] == [
        (stage, step) for stage in ("align", "tune") for step in range(1, STEPS + 1)
    ]
    return [row["loss"] for row in rows]


@pytest.mark.parametrize("number", [0, 1])
def test_records_masks_and_batches_are_those_of_a_plain_writing(prepared, by_hand, number):
    records, orders = (part[number] for part in by_hand)
    data, stage, plan = prepared.data[number], prepared.recipe.stages[number], prepared.plans[number]
    set_pictures(prepared.adapter, stage.pictures)  # both stages share the processor until they train
    assert data.lengths.tolist() == [len(record.ids) for record in records]
    order = training_order(data.lengths, data.pictured, BATCH, plan.steps, SEED, grouped=stage.grouped)
    assert order.reshape(STEPS, BATCH).tolist() == orders
    collate, places = Collator(plain.PAD, {}), InOrder(data, order)
    for step in range(3):
        batch = collate([places[step * BATCH + place] for place in range(BATCH)])
        wanted = [records[index] for index in orders[step]]
        width = max(len(record.ids) for record in wanted)
        for row, record in enumerate(wanted):
            rest = width - len(record.ids)
            assert batch["input_ids"][row].tolist() == record.ids + [plain.PAD] * rest
            assert batch["labels"][row].tolist() == record.labels + [-100] * rest
            assert batch["attention_mask"][row].tolist() == [1] * len(record.ids) + [0] * rest
        pixels = [record.pixels for record in wanted if record.pixels is not None]
        assert len(batch.get("pixel_values", ())) == len(pixels)
        if pixels:
            np.testing.assert_allclose(batch["pixel_values"].numpy(), np.stack(pixels), atol=1e-5)


def test_the_first_ten_losses_of_both_stages_are_those_of_a_plain_loop(folder, by_hand, losses):
    model = plain.build_model(folder, SEED)
    found = []
    for stage, records, order in zip(plain.STAGES, *by_hand, strict=True):
        found += plain.train(model, records, stage, order)
    assert losses == pytest.approx(found, rel=1e-5)
    assert min(losses[STEPS:]) < losses[STEPS] - 0.5  # a wrong step would show


def test_two_processes_have_the_losses_of_one(folder, losses):
    train_in_two_processes(folder / "recipe.toml", folder / "two")
    assert read_losses(folder / "two") == pytest.approx(losses, rel=1e-5)
