"""`pid-train` as its users run it: dry run, bad input, a real kill, two processes, low-rank changes, dropout."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pid_lvlm.extract.models.torchvision_compat  # noqa: F401  before transformers

# isort: split
import pytest
import torch
from safetensors.torch import load_file

from pid_lvlm.extract.cli.sweep_file import read_sweep
from pid_lvlm.extract.models.load import load_adapter
from pid_lvlm.extract.training.two_stage import cli
from pid_lvlm.extract.training.two_stage.recipe import SHIPPED
from tests import ROOT
from tests.extract.training.two_stage.small import RECIPE, make_training, record, train_in_two_processes, write

pytestmark = pytest.mark.usefixtures("one_thread")
LAST = "2-tune-step-000004"
MODULE = "pid_lvlm.extract.training.two_stage.cli"


@pytest.fixture
def call(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["pid-train", *map(str, arguments)])
        capsys.readouterr()  # what a test's own preparation says
        with pytest.raises(SystemExit) as left:
            cli.main()
        return (left.value.code or 0, *capsys.readouterr())

    return run


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(call, tmp_path):
    recipe = make_training(tmp_path)
    code, told, _ = call(recipe, "--out", tmp_path / "out", "--device", "cpu", "--dry-run", "--json", "--quiet")
    assert code == 0
    found = json.loads(told)
    assert (found["action"], found["done"]) == ("dry-run", 4)
    assert [one.rpartition("/")[2] for one in found["checkpoints"]][-1] == LAST
    align, tune = found["stages"]
    assert (align["steps"], align["checkpoints"], align["records"]) == (3, [2, 3], 12)
    assert align["trained"] == 32 * 16 + 32 + 32 * 32 + 32  # the projector's two layers
    assert (tune["held_out"], tune["pictured"] < tune["records"]) == (2, True)
    assert tune["batch"] == {"devices": 1, "per_device": 4, "accumulation": 1}
    assert not (tmp_path / "out").exists()


def test_a_users_mistake_is_one_sentence(call, tmp_path):
    recipe = make_training(tmp_path)
    write(tmp_path / "chat.json", [record(0, "a", "b"), record(1, "a", "")])
    for arguments, message in (
        ((recipe, "--out", tmp_path / "out", "--quiet"), "chat.json`, record 1: the answer in turn 2 is empty"),
        ((recipe,), "--out is missing"),
        (("n" * 300, "--out", tmp_path / "out"), "unknown recipe"),
        ((tmp_path / "no.toml", "--out", tmp_path / "out"), "no.toml` does not exist"),
        ((recipe, "--out", tmp_path / "chat.json" / "x"), "chat.json` is a file; choose another folder"),
        ((recipe, "--out", tmp_path / "out", "--data-folder", tmp_path / "none"), "none` is not a folder"),
        ((recipe, "--out", tmp_path / "out", "--data-folder", "n" * 300), "is not a folder"),
        ((recipe, "--out", tmp_path / "out", "--device", "gpu"), "--device"),
        ((recipe, "--out", tmp_path / "out", "--workers", "-1"), "--workers should be a number from 0"),
    ):
        code, told, error = call(*arguments)
        assert (code, told) == (2, "")
        assert error.startswith("error: ")
        assert message in error
        assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("place", ["modle", "/none/model", "../none/model", "a/b/c"])
def test_a_model_that_is_not_there_is_not_looked_for_on_the_hub(call, tmp_path, place):
    recipe = make_training(tmp_path, RECIPE.replace('"model"', f'"{place}"'))
    code, told, error = call(recipe, "--out", tmp_path / "out", "--device", "cpu")
    assert (code, told) == (2, "")
    assert error.startswith(f"error: model `{tmp_path / place}` is not there; expected a checkpoint folder or a hub id")
    assert ("did you mean" in error) == (place == "modle")


def test_a_shipped_recipe_is_printed(call):
    code, told, _ = call("llava-1.5-7b", "--show")
    assert code == 0
    assert 'language = "lmsys/vicuna-7b-v1.5"' in told


def environment():
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def losses(out):
    return [json.loads(line) for line in (out / "losses.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_a_killed_training_continues_to_the_same_weights(call, tmp_path):
    """Killed after step 2 or later of stage 2, where weights have moved: none may be lost."""
    more = RECIPE.replace("steps = 4", "steps = 12").replace("resume_every = 100", "resume_every = 2")
    recipe = make_training(tmp_path, more)
    options = [recipe, "--device", "cpu", "--threads", "1", "--quiet", "--out"]
    assert call(*options, tmp_path / "whole")[0] == 0
    command = [sys.executable, "-m", MODULE, *map(str, options), str(tmp_path / "killed")]
    started = subprocess.Popen(command, env=environment())
    begun = time.monotonic()
    while not list((tmp_path / "killed").glob(".states/2-tune/checkpoint-*/complete")):
        assert started.poll() is None
        assert time.monotonic() - begun < 120
        time.sleep(0.01)
    started.send_signal(signal.SIGKILL)
    started.wait()
    assert call(*options, tmp_path / "killed")[0] == 0
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    for name in ("2-tune-step-000006", "2-tune-step-000012"):
        whole, killed = (load_file(tmp_path / kind / name / "model.safetensors") for kind in ("whole", "killed"))
        assert all(torch.equal(value, killed[key]) for key, value in whole.items())


@pytest.mark.slow
def test_a_picture_that_is_damaged_below_its_header_is_named_by_a_worker(tmp_path):
    """In a process of its own: a worker is a fork, and pytest's own process may have started jax's threads."""
    recipe = make_training(tmp_path)
    picture = tmp_path / "pictures" / "1.png"
    picture.write_bytes(picture.read_bytes()[:200])
    options = [recipe, "--out", tmp_path / "out", "--device", "cpu", "--workers", "1", "--quiet"]
    command = [sys.executable, "-m", MODULE, *map(str, options)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert re.search(r"error: `\S*captions.json`, record \d+: the picture `1.png` is truncated", done.stderr)
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one(call, tmp_path):
    recipe = make_training(tmp_path)
    options = [recipe, "--device", "cpu", "--threads", "1", "--quiet", "--out"]
    assert call(*options, tmp_path / "one")[0] == 0
    train_in_two_processes(recipe, tmp_path / "two")
    for name in ("loss", "held_out_loss", "grad_norm"):
        one, two = ([row[name] for row in losses(tmp_path / kind)] for kind in ("one", "two"))
        assert [value is None for value in one] == [value is None for value in two]
        numbers = [(a, b) for a, b in zip(one, two, strict=True) if a is not None]
        assert numbers
        assert [a for a, _ in numbers] == pytest.approx([b for _, b in numbers], rel=1e-4)


@pytest.mark.slow
def test_low_rank_changes_are_checkpoints_of_the_last_stage_1(call, tmp_path):
    recipe = make_training(tmp_path, RECIPE + "lora = {rank = 2, alpha = 4}\n")
    assert call(recipe, "--out", tmp_path / "out", "--device", "cpu", "--quiet")[0] == 0
    settings = json.loads((tmp_path / "out" / LAST / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == "../1-align-step-000003"
    models, _ = read_sweep(tmp_path / "out" / "series.toml", "cpu")
    base, changed = (load_adapter(models[index]).model.state_dict() for index in (1, 3))
    moved = {name for name in base if not torch.equal(base[name], changed[name])}
    assert any("multi_modal_projector" in name for name in moved)
    assert any("q_proj" in name for name in moved)
    assert not any("vision_tower" in name or "embed_tokens" in name for name in moved)


@pytest.mark.slow
def test_modality_dropout_changes_the_stage_that_has_it(call, tmp_path):
    recipe = make_training(tmp_path, RECIPE + "modality_dropout = 0.9\n")
    assert call(recipe, "--out", tmp_path / "with", "--device", "cpu", "--quiet")[0] == 0
    recipe.write_text(RECIPE)
    assert call(recipe, "--out", tmp_path / "without", "--device", "cpu", "--quiet")[0] == 0
    with_noise, without = losses(tmp_path / "with"), losses(tmp_path / "without")
    assert with_noise[:3] == without[:3]
    assert all(a["loss"] != b["loss"] for a, b in zip(with_noise[3:], without[3:], strict=True))


@pytest.mark.parametrize("name", ["fsdp", "zero2", "zero3"])
def test_the_shipped_accelerate_files_are_read_by_accelerate(name):
    from accelerate.commands.config.config_args import load_config_from_file  # noqa: PLC0415

    read = load_config_from_file(str(SHIPPED.parent / "accelerate" / f"{name}.yaml"))
    assert read.mixed_precision == "bf16"
    assert read.num_processes == 8


@pytest.mark.slow
def test_bfloat16_and_states_that_are_computed_again_train_alike(call, tmp_path):
    recipe = make_training(tmp_path)
    assert call(recipe, "--out", tmp_path / "plain", "--device", "cpu", "--quiet")[0] == 0
    recipe.write_text('dtype = "bfloat16"\ngradient_checkpointing = true\ndevice_batch = 2\n' + RECIPE)
    assert call(recipe, "--out", tmp_path / "half", "--device", "cpu", "--quiet")[0] == 0
    half, plain = ([row["loss"] for row in losses(tmp_path / kind)] for kind in ("half", "plain"))
    assert half == pytest.approx(plain, rel=0.02)
    assert half != plain
    settings = json.loads((tmp_path / "half" / LAST / "config.json").read_text())
    assert (settings["dtype"], settings["text_config"]["dtype"]) == ("bfloat16", "bfloat16")
    assert {weight.dtype for weight in load_file(tmp_path / "half" / LAST / "model.safetensors").values()} == {
        torch.bfloat16
    }
