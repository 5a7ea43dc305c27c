"""The mean of the weights over the last steps of a stage."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pid_lvlm.extract.models.torchvision_compat  # noqa: F401  before transformers

# isort: split
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from pid_lvlm.extract.training.two_stage.averaging import WeightAverage, averaging
from pid_lvlm.extract.training.two_stage.errors import RecipeError
from pid_lvlm.extract.training.two_stage.plan import disk_bytes, memory_bytes
from pid_lvlm.extract.training.two_stage.recipe import read_recipe
from pid_lvlm.extract.training.two_stage.stage_trainer import Watch
from pid_lvlm.extract.training.two_stage.training import prepare, run
from tests.extract.training.two_stage.small import make_training

pytestmark = pytest.mark.usefixtures("one_thread")
STEPS = 4


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=12), st.integers(0, 12))
def test_the_mean_is_that_of_the_last_steps_and_goes_away_again(values, begin):
    weight = torch.nn.Parameter(torch.zeros(2))
    average = WeightAverage([weight], begin)
    for step, value in enumerate(values, start=1):
        with torch.no_grad():
            weight.fill_(value)
        average.on_step_end(None, SimpleNamespace(global_step=step), None)
    with average.in_place():
        assert weight.tolist() == pytest.approx([np.mean(values[begin:] or values[-1])] * 2, abs=1e-5)
    assert weight.tolist() == pytest.approx([values[-1]] * 2)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """Stage 2 alone, with a checkpoint after every step."""
    recipe = read_recipe(make_training(tmp_path_factory.mktemp("training")))
    tune = replace(recipe.stages[1], checkpoints=STEPS, modality_dropout=0.9, grouped=False, systematic=True)
    return replace(recipe, stages=(tune,), resume_every=1)


def averaged(recipe):
    """Over the last three steps: 10 records are trained on, in batches of 4."""
    return replace(recipe, stages=(replace(recipe.stages[0], averaged_epochs=1),))


@pytest.fixture(scope="module")
def plain(recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain") / "out"
    run(prepare(recipe, 1), folder, Watch(), cpu=True)
    return folder


@pytest.fixture(scope="module")
def mean(recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mean") / "out"
    run(prepare(averaged(recipe), 1), folder, Watch(), cpu=True)
    return folder


def weights(folder, step):
    return load_file(folder / f"1-tune-step-{step:06d}" / "model.safetensors")


def rows(folder):
    return [json.loads(line) for line in (folder / "losses.jsonl").read_text().splitlines()]


def test_a_checkpoint_is_the_mean_of_the_weights_and_the_training_does_not_know(plain, mean):
    for step in range(1, STEPS + 1):
        kept, after = weights(mean, step), [weights(plain, past) for past in range(min(step, 2), step + 1)]
        for name, value in kept.items():
            np.testing.assert_allclose(value, np.mean([one[name] for one in after], axis=0), atol=1e-6)
    last, final = weights(mean, STEPS), weights(plain, STEPS)
    assert any(not torch.equal(value, final[name]) for name, value in last.items())
    for key in ("loss", "grad_norm", "learning_rate"):
        assert [row[key] for row in rows(mean)] == [row[key] for row in rows(plain)]


def test_the_held_out_loss_is_of_the_weights_that_are_kept(plain, mean):
    first, last = (([row["held_out_loss"] for row in rows(folder)]) for folder in (plain, mean))
    assert first[:2] == last[:2]  # before averaging, and the mean of one step
    assert all(one != other for one, other in zip(first[2:], last[2:], strict=True))


@pytest.mark.slow
def test_a_killed_training_continues_with_its_mean(recipe, mean, tmp_path):
    class Killed(Exception):
        pass

    def kill(name, step, *_):
        if step == 3:
            raise Killed

    prepared = prepare(averaged(recipe), 1)
    with pytest.raises(Killed):
        run(prepared, tmp_path / "out", Watch(kill), cpu=True)
    run(prepared, tmp_path / "out", Watch(), cpu=True)
    assert rows(tmp_path / "out") == rows(mean)
    for step in range(1, STEPS + 1):
        file = f"1-tune-step-{step:06d}/model.safetensors"
        assert (tmp_path / "out" / file).read_bytes() == (mean / file).read_bytes()


@pytest.mark.parametrize("divided", ["is_fsdp_enabled", "is_deepspeed_enabled"])
def test_divided_weights_are_refused(divided):
    trainer = SimpleNamespace(**{"is_fsdp_enabled": False, "is_deepspeed_enabled": False, divided: True})
    assert averaging(trainer, "tune", None) is None
    with pytest.raises(RecipeError, match="stage `tune`: `averaged_epochs` needs all weights in every process"):
        averaging(trainer, "tune", 3)


def test_the_plan_counts_the_mean(recipe):
    stage, other = recipe.stages[0], averaged(recipe).stages[0]
    assert memory_bytes(recipe, other, 100, 100) - memory_bytes(recipe, stage, 100, 100) == 400
    assert disk_bytes(recipe, other, 100, 100, 1, 4) - disk_bytes(recipe, stage, 100, 100, 1, 4) == 800
