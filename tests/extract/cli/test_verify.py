"""`pid-extract --verify`: the checks of a run without a run, and the receipt in `--check`."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from pid_lvlm.data.contract.schema.receipt import CHECKS
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.run.trial_items import SIZES, trial_dataset
from tests.extract.console import Command


def attending_to_padding(self: Adapter, prompts: Any, pictures: Any) -> dict[str, Any]:
    inputs = self.process(prompts, pictures)
    return {**inputs, "attention_mask": torch.ones_like(inputs["attention_mask"])}


def test_a_model_is_verified_without_data(
    checkpoint: Path, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = command("--verify", checkpoint, "--dtype", "float32", "--device", "cpu", "--batch-size", 2)
    assert (code, err) == (0, "")
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[0] == f"{checkpoint}, float32 on cpu, 3 items (made for this check)"
    assert lines[1].split() == ["check", "found", "limit", "unit", "result"]
    assert [line.rpartition("  ")[2] for line in lines[2:-1]] == ["passed"] * len(CHECKS)
    assert lines[-1] == "a run would start"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_first_items_of_a_file_are_verified_and_told_as_json(
    checkpoint: Path, items: Path, command: Command
) -> None:
    code, out, _ = command("--verify", checkpoint, "--data", items, "--batch-size", 1, "--json", "--quiet")
    result = json.loads(out)
    assert (code, result["action"], result["done"], result["failed"]) == (0, "verify", 1, 0)
    (model,) = result["models"]
    assert (model["dataset"], model["passed"], model["advice"]) == ("toy", True, [])
    assert [check["check"] for check in model["checks"]] == list(CHECKS)
    (skipped,) = [check for check in model["checks"] if check["result"] == "not checked"]
    assert (skipped["check"], skipped["found"], skipped["reason"]) == ("batch", None, "a batch size of 1")


@pytest.mark.slow
def test_what_fails_is_told_with_advice(
    checkpoint: Path, adapter: Adapter, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(adapter), "encode", attending_to_padding)
    code, out, _ = command("--verify", checkpoint)
    assert code == 1
    assert "an item has the same scores in a batch as alone" in out
    assert "failed" in out
    assert "- the same item scores " in out
    assert "--batch-size 1 measures every item alone" in out
    assert out.rstrip().endswith("a run would stop here")
    forward = type(adapter).forward
    monkeypatch.setattr(type(adapter), "forward", lambda *arguments: forward(*arguments) * float("nan"))
    code, out, _ = command("--verify", checkpoint, "--json", "--quiet")
    (model,) = json.loads(out)["models"]
    assert (code, model["checks"][0]["found"], model["checks"][0]["result"]) == (1, None, "failed")


@pytest.mark.slow
def test_a_model_that_is_not_there(checkpoint: Path, command: Command, tmp_path: Path) -> None:
    code, out, err = command("--verify", tmp_path / "gone")
    assert (code, out) == (2, "")
    assert "is not there; expected a checkpoint folder or a hub id" in err
    code, out, err = command("--verify", tmp_path / "gone", "--verify", checkpoint, "--json", "--quiet")
    result = json.loads(out)
    assert (code, result["done"], result["failed"]) == (1, 1, 1)
    assert result["failures"][0]["what"] == str(tmp_path / "gone")


def test_models_are_named_once(checkpoint: Path, command: Command) -> None:
    code, _, err = command("--verify", checkpoint, "--model", checkpoint)
    assert code == 2
    assert "error: --verify names the models itself; leave out --model" in err


def test_the_receipt_is_shown_with_a_valid_folder(run: Any, dataset: Dataset, command: Command, tmp_path: Path) -> None:
    folder = run(dataset.first(3), tmp_path).folder
    code, out, _ = command("--check", folder)
    assert code == 0
    assert out.splitlines()[1].startswith("  receipt: 7 checks passed on 3 items (leak_picture 0, leak_text 0, lens ")
    _, out, _ = command("--check", folder, "--json")
    assert json.loads(out[out.index("{") :])["folders"][0]["receipt"].startswith("7 checks passed on 3 items")


def test_items_made_for_a_check_differ_in_size_and_length() -> None:
    items = trial_dataset().items
    assert [item.image().size for item in items] == list(SIZES)
    assert len({item.question for item in items}) == 2
    assert all(0 <= item.label < len(item.options) == 4 for item in items)
    assert trial_dataset() == trial_dataset()
