"""The two studies of `pid-train` at a size that proves nothing but that they run and print what they say."""

import json
import shutil
import tomllib

import polars as pl
import pytest

from benchmarks import modality_dropout
from pid_lvlm.data.names import ATOMS
from pid_lvlm.data.world import TASKS, caption_conversation, conversation, get_task, make_items
from pid_lvlm.extract.training.two_stage.recipe import find_recipe
from tests import ROOT
from tests.benchmarks.test_benchmarks import printed, run_module


@pytest.mark.slow
def test_train():
    sizes = ("--layers", 1, "--width", 128, "--vision-layers", 1, "--batch-size", 2, "--device-batch", 2)
    found = printed("train", *sizes, "--steps", 3, "--repeat", 1, "--device", "cpu")
    align, tune = found["stages"]
    assert (align["parts"], tune["parts"]) == (["projector"], ["projector", "language"])
    for stage, passes in ((align, 4), (tune, 6)):
        assert 0 < stage["share_of_peak"] < 1
        assert stage["tokens_per_second"] > stage["samples_per_second"] > 0
        assert len(stage["losses"]) == 3
        assert stage["first_loss"] == stage["losses"][0]
        # Forward, back to the projector, and in stage 2 for the weights: twice the numbers that tokens meet, each time.
        expected = passes * (found["parameters"] / 2) * stage["tokens_per_record"]
        assert 0.5 < stage["operations_per_sample"] / expected < 2


def test_train_needs_a_step_to_time():
    done = run_module("train", "--steps", 2)
    assert done.returncode == 2
    assert "--steps should be at least 3" in done.stderr


def test_both_trainings_differ_in_modality_dropout_alone():
    text = find_recipe("demo-tiny").read_text(encoding="utf-8")
    recipes = {kind: tomllib.loads(modality_dropout.variant(text, kind, 0.01)) for kind in ("with", "without")}
    original = tomllib.loads(text)
    assert recipes["with"]["stages"][-1]["modality_dropout"] == original["stages"][-1]["modality_dropout"] > 0
    assert recipes["without"]["stages"][-1].pop("modality_dropout") == 0
    del recipes["with"]["stages"][-1]["modality_dropout"]
    assert (recipes["with"].pop("name"), recipes["without"].pop("name")) == ("with", "without")
    assert recipes["with"] == recipes["without"]
    assert [stage["steps"] for stage in recipes["with"]["stages"]] == [
        round(stage["steps"] * 0.01) for stage in original["stages"]
    ]
    with pytest.raises(SystemExit, match="the recipe has no `modality_dropout`"):
        modality_dropout.variant(find_recipe("llava-1.5-7b").read_text().replace("modality_dropout", "x"), "with", 1.0)


def test_the_comparison_is_of_the_same_task_and_atom():
    rows = []
    for number, task in enumerate(modality_dropout.TASKS):
        for kind, off in (("with", 0.1), ("without", 0.3)):
            row = {"dataset": f"demo-{task}", "model": kind}
            for place, atom in enumerate(ATOMS):
                truth = number + place / 10
                interval = {f"{atom}_corrected": truth + 0.5, f"{atom}_low": truth, f"{atom}_high": truth + 1}
                row |= {f"true_{atom}": truth, atom: truth + off} | interval
            rows.append(row)
    found = {"rows": modality_dropout.comparison(pl.DataFrame(rows).sample(fraction=1.0, shuffle=True, seed=0))}
    assert [row["ground_truth"] for row in found["rows"]] == [n + p / 10 for n in range(5) for p in range(4)]
    table = modality_dropout.as_table(found)
    assert "| sight | 1.00: 1.10, 1.30 | 1.10: 1.20, 1.40 |" in table
    assert "0.100 with, 0.300 without" in table


def make_world(folder):
    """A shipped checkpoint to begin with, and a few records of each task."""
    entries = tomllib.loads((ROOT / "data" / "demo" / "checkpoints.toml").read_text(encoding="utf-8"))["checkpoint"]
    shutil.copytree(ROOT / "data" / "demo" / entries[0]["model"], folder / "demo-llava-tiny")
    items = [(item, task) for task in TASKS for item in make_items(get_task(task), 80)]
    captions = [caption_conversation(item, task) for item, task in items]
    asked = [conversation(item, task) for item, task in items]
    for name, records in (("captions", captions), ("align", asked), ("tune", asked)):
        (folder / f"{name}.json").write_text(json.dumps(records), encoding="utf-8")
    return folder


@pytest.mark.slow
def test_modality_dropout(tmp_path):
    world = make_world(tmp_path / "world")
    options = ("--world", world, "--steps-share", 0.003, "--limit", 40, "--tol-bits", 0.01, "--out", tmp_path)
    found = printed("modality_dropout", *options)
    assert {row["task"] for row in found["rows"]} == {*modality_dropout.TASKS}
    known = [row for row in found["rows"] if row["with_low"] is not None]
    assert len(known) > len(found["rows"]) / 2
    assert all(row["with_low"] <= row["with_corrected"] <= row["with_high"] for row in known)
    assert found["last_losses"]["with"]["loss"] > 0
    with_dropout, without = (
        [json.loads(line) for line in (tmp_path / kind / "losses.jsonl").read_text().splitlines()]
        for kind in ("with", "without")
    )
    last = with_dropout[-1]["stage"]
    for row, other in zip(with_dropout, without, strict=True):
        assert (row["loss"] == other["loss"]) == (row["stage"] != last)
