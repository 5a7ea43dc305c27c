"""Both stages on a tiny LLaVA: what moves, what is kept, what a kill costs, and the losses of a plain loop."""

import json
import math
import shutil
from dataclasses import replace

import pid_lvlm.extract.models.torchvision_compat  # noqa: F401  before transformers

# isort: split
import pytest
import torch
from safetensors.torch import load_file

from pid_lvlm.data.errors import OutputExistsError
from pid_lvlm.extract.cli.sweep_file import read_sweep
from pid_lvlm.extract.config import ModelSpec
from pid_lvlm.extract.models.load import load_adapter
from pid_lvlm.extract.training.two_stage import plan as planning
from pid_lvlm.extract.training.two_stage.errors import RecipeError, ResumeError, SpaceError
from pid_lvlm.extract.training.two_stage.losses import LossTable
from pid_lvlm.extract.training.two_stage.parts import PARTS, parameters_of
from pid_lvlm.extract.training.two_stage.recipe import read_recipe
from pid_lvlm.extract.training.two_stage.records.order import training_order
from pid_lvlm.extract.training.two_stage.records.tokens import IGNORED
from pid_lvlm.extract.training.two_stage.stage_trainer import Watch
from pid_lvlm.extract.training.two_stage.training import prepare, run
from tests.extract.training.two_stage.small import make_training, record, write

pytestmark = pytest.mark.usefixtures("one_thread")
FOLDERS = ["1-align-step-000002", "1-align-step-000003", "2-tune-step-000002", "2-tune-step-000004"]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    return read_recipe(make_training(tmp_path_factory.mktemp("training")))


@pytest.fixture(scope="module")
def prepared(recipe):
    return prepare(recipe, 1)


@pytest.fixture(scope="module")
def out(prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "out"
    run(prepared, folder, Watch(), cpu=True)
    return folder


def weights(folder):
    return load_file(folder / "model.safetensors")


def changed(before, after):
    return {name for name, value in after.items() if not torch.equal(value, before[name])}


def test_checkpoints_are_where_they_should_be_and_one_series(out):
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == FOLDERS
    assert not list(out.glob(".*"))
    speeds = json.loads((out / "speed.json").read_text())
    assert {stage: (one["devices"], one["steps"]) for stage, one in speeds.items()} == {"align": (1, 2), "tune": (1, 3)}
    assert all(min(one["tokens_per_second"], one["records_per_second"]) > 0 for one in speeds.values())
    models, _ = read_sweep(out / "series.toml", "cpu")
    assert [(model.name, model.stage, model.step) for model in models] == [
        ("small", "align", 2),
        ("small", "align", 3),
        ("small", "tune", 2),
        ("small", "tune", 4),
    ]
    assert [model.model for model in models] == [str(out / name) for name in FOLDERS]
    assert load_adapter(models[-1]).model.config.model_type == "llava"


def test_only_the_projector_moves_in_stage_1_and_the_vision_tower_never(out, recipe):
    start = load_adapter(ModelSpec(recipe.model.checkpoint, dtype="float32", device="cpu")).model.state_dict()
    first, second, last = (
        load_adapter(ModelSpec(str(out / name), dtype="float32", device="cpu")).model.state_dict()
        for name in (*FOLDERS[:2], FOLDERS[-1])
    )
    projector = {name for name in start if "multi_modal_projector" in name}
    assert changed(start, first) == changed(first, second) == projector
    moved = changed(second, last)
    assert projector < moved
    assert any("lm_head" in name for name in moved)
    assert not any("vision_tower" in name for name in moved)


def test_every_weight_belongs_to_one_part(prepared):
    found = [id(weight) for part in PARTS for weight in parameters_of(prepared.adapter, part)]
    assert sorted(found) == sorted(id(weight) for weight in prepared.adapter.model.parameters())


def plain_losses(prepared, steps):
    """The losses of stage 1 by a loop that shows one record at a time, without padding."""
    recipe, stage, data, plan = prepared.recipe, prepared.recipe.stages[0], prepared.data[0], prepared.plans[0]
    model = load_adapter(ModelSpec(recipe.model.checkpoint, dtype="float32", device="cpu")).model.train()
    model.requires_grad_(False)
    model.model.multi_modal_projector.requires_grad_(True)
    learned = list(model.model.multi_modal_projector.parameters())
    optimiser = torch.optim.AdamW(learned, lr=stage.learning_rate, weight_decay=0.0)
    order = training_order(data.lengths, data.pictured, stage.batch_size, plan.steps, recipe.seed)
    losses = []
    for step in range(steps):
        total, count = 0.0, 0
        for index in order[step * stage.batch_size : (step + 1) * stage.batch_size]:
            (example,) = data.encoder.encode([data.file[int(data.rows[index])]])
            ids, labels = (torch.from_numpy(one)[None] for one in (example.tokens.ids, example.tokens.labels))
            logits = model(input_ids=ids, **example.picture).logits[0, :-1]
            total = total + torch.nn.functional.cross_entropy(
                logits, labels[0, 1:], ignore_index=IGNORED, reduction="sum"
            )
            count += int((labels[0, 1:] != IGNORED).sum())
        optimiser.param_groups[0]["lr"] = stage.learning_rate * 0.5 * (1 + math.cos(math.pi * step / plan.steps))
        optimiser.zero_grad()
        (total / count).backward()
        torch.nn.utils.clip_grad_norm_(learned, stage.max_grad_norm)
        optimiser.step()
        losses.append((total / count).item())
    return losses


def rows(out):
    return [json.loads(line) for line in (out / "losses.jsonl").read_text().splitlines()]


def test_losses_are_those_of_a_plain_loop_and_held_out_ones_are_at_checkpoints(out, prepared):
    table = rows(out)
    assert [(row["stage"], row["step"]) for row in table] == [
        *(("align", step) for step in (1, 2, 3)),
        *(("tune", step) for step in (1, 2, 3, 4)),
    ]
    assert [row["loss"] for row in table[:3]] == pytest.approx(plain_losses(prepared, 3), rel=1e-5)
    assert [row["held_out_loss"] is None for row in table[3:]] == [True, False, True, False]
    assert all(row["held_out_loss"] is None for row in table[:3])


class Killed(Exception):
    """In place of a kill."""


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "at"), [("align", 2), ("tune", 3)])
def test_an_interrupted_training_reaches_the_same_weights_and_losses(prepared, out, tmp_path, stage, at):
    def kill(name, step, *_):
        if (name, step) == (stage, at):
            raise Killed

    prepared = replace(prepared, recipe=replace(prepared.recipe, resume_every=1))
    again = tmp_path / "out"
    with pytest.raises(Killed):
        run(prepared, again, Watch(kill), cpu=True)
    notes = []
    kept = run(prepared, again, Watch(note=notes.append), cpu=True)
    assert notes == [f"stage {stage} continues after step {at - 1}"]
    assert [one.model for one in kept] == FOLDERS
    assert (again / "losses.jsonl").read_bytes() == (out / "losses.jsonl").read_bytes()
    for name in FOLDERS:
        assert not changed(weights(out / name), weights(again / name))
        assert {path.name: path.read_bytes() for path in (again / name).iterdir()} == {
            path.name: path.read_bytes() for path in (out / name).iterdir()
        }
    assert run(prepared, again, Watch(kill), cpu=True) == kept  # nothing is left to do


@pytest.mark.slow
def test_modality_dropout_goes_on_with_its_statistics(recipe, tmp_path):
    def kill(name, step, *_):
        if (name, step) == ("tune", 3):
            raise Killed

    noisy = replace(recipe.stages[1], modality_dropout=0.9, held_out=0)
    prepared = prepare(replace(recipe, stages=(noisy,), resume_every=1), 1)
    run(prepared, tmp_path / "whole", Watch(), cpu=True)
    with pytest.raises(Killed):
        run(prepared, tmp_path / "killed", Watch(kill), cpu=True)
    run(prepared, tmp_path / "killed", Watch(), cpu=True)
    assert rows(tmp_path / "killed") == rows(tmp_path / "whole")


def test_a_folder_of_another_training_is_refused(prepared, out, recipe, tmp_path):
    other = replace(prepared, recipe=replace(recipe, seed=7))
    with pytest.raises(ResumeError, match="holds a training with `seed` = 0, but the recipe has 7"):
        run(other, out, Watch(), cpu=True)
    (tmp_path / "mine.txt").touch()
    with pytest.raises(OutputExistsError, match="holds something other than a training"):
        run(prepared, tmp_path, Watch(), cpu=True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_damaged_record_or_table_is_one_sentence(prepared, tmp_path):
    for content in ("{", "[1]", "{}"):
        (tmp_path / "training.json").write_text(content)
        with pytest.raises(ResumeError, match="training.json` is damaged"):
            run(prepared, tmp_path, Watch(), cpu=True)
    (tmp_path / "losses.jsonl").write_text("{\n")
    with pytest.raises(ResumeError, match="losses.jsonl` is damaged"):
        LossTable(tmp_path / "losses.jsonl")


def test_a_projector_is_not_trained_on_text_alone(recipe, tmp_path):
    blind = replace(recipe.stages[0], conversation="chat", data=str(write(tmp_path / "t.json", [record(0, "a", "b")])))
    with pytest.raises(RecipeError, match="stage `align` trains projector, but none of its records has a picture"):
        prepare(replace(recipe, stages=(blind,)), 1)


@pytest.mark.slow
def test_a_projector_alone_is_trained_on_batches_of_text_and_of_pictures(recipe, tmp_path):
    mixed = replace(recipe.stages[1], train=("projector",), batch_size=2, held_out=0)
    run(prepare(replace(recipe, stages=(mixed,)), 1), tmp_path / "out", Watch(), cpu=True)
    assert len(rows(tmp_path / "out")) == 4


def test_too_little_disk_is_said_before_anything_is_written(prepared, tmp_path, monkeypatch):
    monkeypatch.setattr(planning.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(SpaceError, match="GiB are free; free space"):
        run(prepared, tmp_path / "out", Watch(), cpu=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_loss_that_is_not_a_number_stops_the_training(recipe, tmp_path):
    wild = replace(recipe.stages[0], learning_rate=1e30, max_grad_norm=0.0, schedule="constant")
    wild = prepare(replace(recipe, stages=(wild,)), 1)
    with pytest.raises(RecipeError, match="stage `align`: the loss is not a number after step 2"):
        run(wild, tmp_path / "out", Watch(), cpu=True)
    assert not (tmp_path / "out" / FOLDERS[1]).exists()


def test_trackers_are_known_and_installed(recipe):
    with pytest.raises(RecipeError, match="unknown tracker `tensorbord`; did you mean `tensorboard`"):
        prepare(replace(recipe, report_to=("tensorbord",)), 1)


def test_half_a_row_of_losses_is_dropped(tmp_path):
    path = tmp_path / "losses.jsonl"
    path.write_text('{"stage": "align", "step": 1}\n{"stage": "align", "step": 2}\n{"sta')
    table = LossTable(path)
    table.forget_after("align", 1, ("tune",))
    table.add("align", 2, {"loss": float("nan"), "learning_rate": 1.0}, 0.5)
    assert [(row["step"], row.get("held_out_loss"), row.get("loss")) for row in rows(tmp_path)] == [
        (1, None, None),
        (2, 0.5, None),
    ]


def test_a_training_of_a_version_without_a_key_of_a_stage_is_continued(prepared, out, tmp_path):
    older = json.loads((out / "training.json").read_text())
    for stage in older["recipe"]["stages"]:
        del stage["averaged_epochs"], stage["systematic"]
    shutil.copytree(out, tmp_path / "out")
    (tmp_path / "out" / "training.json").write_text(json.dumps(older))
    assert [one.model for one in run(prepared, tmp_path / "out", Watch(), cpu=True)] == FOLDERS
    stages = tuple(replace(stage, averaged_epochs=1.0) for stage in prepared.recipe.stages)
    (tmp_path / "out" / "training.json").write_text(json.dumps(older))
    with pytest.raises(ResumeError, match=r"`stages\[0\].averaged_epochs` = 0.0, but the recipe has 1.0"):
        run(replace(prepared, recipe=replace(prepared.recipe, stages=stages)), tmp_path / "out", Watch(), cpu=True)
