"""Reading and checking LLaVA's conversation files."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pid_lvlm.data.world import conversation, get_task, make_items
from pid_lvlm.extract.training.two_stage.errors import DataError, RecordError
from pid_lvlm.extract.training.two_stage.plan import plan_batch
from pid_lvlm.extract.training.two_stage.recipe import SHIPPED, RecipeError, find_recipe, read_recipe
from pid_lvlm.extract.training.two_stage.records.order import batches_per_pass, training_order
from pid_lvlm.extract.training.two_stage.records.record_file import RecordFile
from pid_lvlm.extract.training.two_stage.records.turns import Turn, read_conversation
from tests.extract.training.two_stage.small import RECIPE, record

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.dictionaries(st.text(max_size=6), VALUES, max_size=3), min_size=1, max_size=4),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_a_list_or_lines_of_any_objects_are_found(tmp_path_factory, records, indent, lines):
    path = tmp_path_factory.getbasetemp() / "records.json"
    text = "\n".join(map(json.dumps, records)) if lines else json.dumps(records, indent=indent)
    path.write_text(text, encoding="utf-8")
    file = RecordFile(path)
    assert [file[index] for index in range(len(file))] == records


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("[]", "has no records"),
        ('[{"a": 1}, 3]', "record 1"),
        ('[{"a": 1} {"b": 2}]', "record 1: should be an object"),
        ('[{"a": 1}, {"b": [', "record 1: is cut off"),
        ('[{"a": 1}', "record 1: is cut off"),
        ('[{"a": 1}] more', "record 1: is unexpected"),
        ('[["a"]]', "record 0: should be an object"),
        ('{"a": 1}, {"b": 2}', "record 1"),
        ('["a.json"]', "record 0: should be an object with `conversations`"),
        ('[{"a": 1},]', "record 1: should be an object with `conversations`"),
        ("3", "is not JSON text that begins with a list of records"),
        ("null", "is not JSON text that begins with a list of records"),
        ("version https://git-lfs.github.com/spec/v1", "a pointer of Git LFS"),
    ],
)
def test_a_file_that_is_no_list_of_records_is_one_sentence(tmp_path, text, message):
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        RecordFile(path)


def test_a_missing_file_and_a_broken_record_are_named(tmp_path):
    with pytest.raises(DataError, match="none.json` does not exist"):
        RecordFile(tmp_path / "none.json")
    (tmp_path / "r.json").write_text('[{"a": 1}, {"a": nothing}]')
    file = RecordFile(tmp_path / "r.json")
    assert file[0] == {"a": 1}
    with pytest.raises(RecordError, match="is not JSON"):
        file[1]


def test_turns_are_as_llava_reads_them(tmp_path):
    (tmp_path / "a.png").touch()
    raw = record(0, "Look:\n<image>", " red ", "More?", "no", image="a.png")
    raw["conversations"].insert(0, {"from": "gpt", "value": "hello"})
    read = read_conversation(raw, tmp_path)
    assert read.turns == (
        Turn("user", "Look:", True),
        Turn("assistant", "red"),
        Turn("user", "More?"),
        Turn("assistant", "no"),
    )
    assert read.picture == tmp_path / "a.png"
    assert read_conversation(record(0, "a", "b"), tmp_path).picture is None


def test_the_worlds_records_are_of_this_format(tmp_path):
    (item,) = make_items(get_task("sight"), 1)
    read = read_conversation(conversation(item, "sight"), tmp_path)
    assert isinstance(read.picture, bytes)
    assert read.turns[0].picture
    assert read.turns[1].text == item.answer


def turns(*pairs):
    return {"conversations": [{"from": who, "value": text} for who, text in pairs]}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (3, "list `conversations`"),
        ({"conversations": []}, "has no turns"),
        ({"conversations": ["hi"]}, "turn 1 should have `from` and `value`"),
        (turns(("human", "a"), ("gpd", "b")), "unknown role `gpd`; did you mean `gpt`"),
        (turns(("human", "a"), ("gpt", 3)), "turn 2 should be text, found 3"),
        (turns(("human", "a"), ("human", "b")), "turn 2 follows one of the same role"),
        (turns(("human", "a"), ("gpt", "  ")), "answer in turn 2 is empty"),
        (turns(("human", ""), ("gpt", "a")), "question in turn 1 is empty"),
        (turns(("human", "a"), ("gpt", "b"), ("human", "c")), "ends with a question"),
        (turns(("human", "<image> a"), ("gpt", "b")), "<image> 1 time and has no `image`; expected 0"),
        ({**turns(("human", "a"), ("gpt", "b")), "image": "x.png"}, "<image> 0 times and has `image`; expected 1"),
        ({**turns(("human", "<image><image>"), ("gpt", "b")), "image": "x.png"}, "<image> 2 times"),
        ({**turns(("human", "a"), ("gpt", "<image> b")), "image": "x.png"}, "not in a turn of human"),
        ({**turns(("human", "<image>"), ("gpt", "b")), "image": "x.png"}, "picture `x.png` does not exist"),
        ({**turns(("human", "<image>"), ("gpt", "b")), "image": " "}, "has an empty `image`"),
        ({**turns(("human", "<image>"), ("gpt", "b")), "image": ["x.png", "y.png"]}, "has several pictures in `image`"),
    ],
)
def test_bad_records_say_what_is_wrong(tmp_path, raw, message):
    with pytest.raises(RecordError, match=message):
        read_conversation(raw, tmp_path)


ORDERS = ({"grouped": True}, {"grouped": False}, {"grouped": False, "systematic": True})


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 3), st.integers(0, 2**32 - 1), st.sampled_from(ORDERS))
def test_every_pass_has_every_record_and_batches_are_whole(records, batch, passes, seed, kind):
    generator = np.random.default_rng(seed)
    lengths, pictured = generator.integers(1, 50, records), generator.random(records) < 0.5
    each = batches_per_pass(records, batch)
    order = training_order(lengths, pictured, batch, passes * each, seed, **kind)
    assert len(order) == passes * each * batch
    for part in order.reshape(passes, -1):
        assert {*part} == {*range(records)}
    again = training_order(lengths, pictured, batch, passes * each, seed, **kind)
    assert (order == again).all()


def test_batches_are_of_one_modality_and_of_like_length():
    generator = np.random.default_rng(0)
    lengths, pictured = generator.integers(1, 1000, 6400), np.arange(6400) % 2 == 0
    grouped, mixed = (
        training_order(lengths, pictured, 16, 400, 3, grouped=one).reshape(400, 16) for one in (True, False)
    )
    assert all(len({*row}) == 1 for row in pictured[grouped])
    spread = [np.ptp(lengths[order], axis=1).mean() for order in (grouped, mixed)]
    assert spread[0] < spread[1] / 10
    assert not (training_order(lengths, pictured, 16, 400, 4).reshape(400, 16) == grouped).all()


def test_a_systematic_batch_is_spread_over_the_file():
    order = training_order(np.ones(96, int), np.ones(96, bool), 8, 24, 3, grouped=False, systematic=True)
    order = order.reshape(2, 12, 8)
    assert np.abs(order.mean(2) - 47.5).max() < 12  # a sample's mean has a standard deviation of 9.4
    assert (order[0] != order[1]).any()


def test_a_batch_is_shared_out_evenly_whatever_the_number_of_devices():
    plans = [plan_batch(128, devices, 12, "tune") for devices in (1, 2, 4, 8, 128)]
    assert {plan.effective for plan in plans} == {128}
    assert all(plan.per_device <= 12 for plan in plans)
    with pytest.raises(RecipeError, match="3 devices cannot share a batch_size of 128"):
        plan_batch(128, 3, 12, "tune")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("learning_rate = 1e-2", "learnig_rate = 1e-2", "stage 1: unknown key `learnig_rate`; did you mean"),
        ("log_every = 1", "log_evry = 1", "unknown key `log_evry`; did you mean `log_every`"),
        ('checkpoint = "model"', 'chekpoint = "model"', r"\[model\]: unknown key `chekpoint`"),
        ('checkpoint = "model"', 'language = "model"', "give either `checkpoint`, or `language` and `vision`"),
        ("epochs = 1", "", "either `epochs` or `steps`"),
        ('name = "tune"', 'name = "align"', "two stages are called `align`"),
        ("batch_size = 4", "batch_size = 0", "`batch_size` of stage 1 should be at least 1, found 0"),
        ("steps = 4", "steps = 0", "`steps` of stage 2 should be at least 1, found 0"),
        ("learning_rate = 1e-2", "learning_rate = -1e-2", "`learning_rate` of stage 1 should be more than 0"),
        ('["projector"]', "[]", "`train` of stage 1 should be a list of at least 1"),
        ('["projector"]', '["projektor"]', "should be 'vision', 'projector' or 'language'"),
        ("epochs = 1", "epochs = 1\nlora = {rank = 4, alpha = 8}", "`lora` changes the language model"),
        ("epochs = 1", "epochs = 1\nlora = {rnak = 4}", r"stage 1, \[lora\]: unknown key `rnak`"),
        ("[[stages]]", "[stages", "is not TOML"),
    ],
)
def test_a_wrong_recipe_is_one_sentence(tmp_path, old, new, message):
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.replace(old, new, 1))
    with pytest.raises(RecipeError, match=message):
        read_recipe(path)


def test_unknown_recipes_are_named_with_those_that_are_shipped(tmp_path):
    with pytest.raises(
        RecipeError, match=r"unknown recipe `llava-1.5-7`; shipped recipes: .*llava-1.5-13b, llava-1.5-7b"
    ):
        find_recipe("llava-1.5-7")
    with pytest.raises(RecipeError, match="none.toml` does not exist"):
        read_recipe(tmp_path / "none.toml")


@pytest.mark.parametrize("size", ["7b", "13b"])
def test_the_shipped_recipes_have_the_official_hyperparameters(size):
    recipe = read_recipe(find_recipe(f"llava-1.5-{size}"))
    align, tune = recipe.stages
    assert recipe.model.language == f"lmsys/vicuna-{size}-v1.5"
    assert (recipe.model.vision, recipe.model.vision_layer) == ("openai/clip-vit-large-patch14-336", -2)
    assert (align.learning_rate, align.batch_size, align.epochs, align.train) == (1e-3, 256, 1, ("projector",))
    assert (tune.learning_rate, tune.batch_size, tune.epochs) == (2e-5, 128, 1)
    assert {*tune.train} == {"projector", "language"}
    for stage in recipe.stages:
        assert (stage.schedule, stage.warmup, stage.weight_decay, stage.max_length) == ("cosine", 0.03, 0.0, 2048)
        assert (stage.checkpoints, stage.modality_dropout, stage.lora) == (4, 0.0, None)
    assert recipe.dtype == "bfloat16"
    assert align.step_count(558_128) == 2181
    assert tune.step_count(665_298) == 5198
    assert replace(align, checkpoints=4).checkpoint_steps(2181) == (545, 1090, 1636, 2181)
    assert {path.stem for path in SHIPPED.glob("*.toml")} >= {"llava-1.5-7b", "llava-1.5-13b"}
