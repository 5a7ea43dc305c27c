"""Sweep files whose models run on some of the datasets, or on the first items of each only."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pid_lvlm import data, extract
from pid_lvlm.extract.cli.parts import select_part
from pid_lvlm.extract.config import DatasetSpec, ModelSpec
from pid_lvlm.extract.datasets.load import DatasetOutline
from pid_lvlm.extract.run.pairing import datasets_of, needed
from tests.extract.console import Command, assert_one_sentence

Write = Callable[..., Path]


@pytest.fixture
def sweep(tmp_path: Path, checkpoint: Path, write_items: Callable[[list[dict[str, Any]]], Path], rows: Any) -> Write:
    """Write a sweep of two models on two datasets, `colours` (a card's name) and `other`; the first has more keys."""
    text = write_items(rows).read_text()
    (tmp_path / "other.jsonl").write_text(text)
    (tmp_path / "card.toml").write_text('name = "colours"\nfile = "toy.jsonl"\n')

    def write(first: str, folder: Path = checkpoint) -> Path:
        path = tmp_path / "sweep.toml"
        models = [f'[[models]]\nmodel = "{folder}"\nname = "small"\nlayers = "last"\n{first}\n']
        models.append(f'[[models]]\nmodel = "{checkpoint}"\nname = "whole"\nlayers = "last"\n')
        datasets = [f'[[datasets]]\nfile = "{name}"\n' for name in ("card.toml", "other.jsonl")]
        path.write_text("".join(models + datasets))
        return path

    return write


def sizes(out: Path) -> dict[str, int]:
    return {path.name: data.read_manifest(path).num_samples for path in sorted(out.iterdir()) if path.is_dir()}


def test_a_model_runs_on_the_datasets_that_it_names(command: Command, sweep: Write, tmp_path: Path) -> None:
    line = ("--sweep", sweep('datasets = ["colours"]\nlimit = 5'), "--out", tmp_path / "runs")
    planned = {"small__colours": 5, "whole__colours": 8, "whole__other": 8}
    code, output, _ = command(*line, "--limit", 8, "--dry-run", "--json")
    assert code == 0
    assert {run["run"]: run["samples"] for run in json.loads(output)["runs"]} == planned
    code, output, errors = command(*line, "--limit", 8, "--json", "--quiet")
    assert (code, errors) == (0, "")
    assert sizes(tmp_path / "runs") == planned
    code, output, _ = command(*line, "--status", "--json")
    assert {one["run"]: one["state"] for one in json.loads(output)["runs"]} == dict.fromkeys(planned, "complete")
    jobs = ("--executor", "slurm", "--slurm", "partition=x", "--dry-run", "--json")
    settled = json.loads(command(*line, "--limit", 8, *jobs)[1])
    assert [part["runs"] for part in settled["parts"]] == [["whole__colours", "whole__other"], ["small__colours"]]
    assert (settled["done"], settled["skipped"]) == (0, 2)
    assert json.loads(command(*line, *jobs)[1])["done"] == 1  # `small` still has its own limit


def test_the_smaller_limit_counts_and_a_run_keeps_its_size(command: Command, sweep: Write, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "runs", "--quiet")
    assert command("--sweep", sweep('datasets = ["other"]\nlimit = 8'), *out, "--limit", 5, "--part", "2/2")[0] == 0
    assert sizes(tmp_path / "runs") == {"small__other": 5}
    code, _, errors = command("--sweep", sweep('datasets = ["other"]\nlimit = 6'), *out, "--part", "2/2")
    assert code == 2
    assert "holds a run of 5 items, and this command asks for 6 (--limit)" in errors
    changed = ("--sweep", sweep('datasets = ["colours", "other"]\nlimit = 5'), *out, "--part", "2/2", "--json")
    code, output, _ = command(*changed)
    assert (code, sizes(tmp_path / "runs")) == (0, {"small__colours": 5, "small__other": 5})
    assert {run["run"]: run["measured"] for run in json.loads(output)["runs"]} == {
        "small__colours": 5,
        "small__other": 0,
    }


def test_only_datasets_that_are_needed_are_read(command: Command, sweep: Write, tmp_path: Path) -> None:
    path = sweep('datasets = ["other"]\nlimit = 5')
    (tmp_path / "toy.jsonl").write_text("not json")
    line = ("--sweep", path, "--out", tmp_path / "runs")
    assert command(*line, "--quiet", "--part", "2/2")[0] == 0
    assert_one_sentence(command(*line, "--quiet", "--part", "1/2"), "toy.jsonl")


def test_what_names_can_be_wrong(command: Command, sweep: Write, tmp_path: Path) -> None:
    def run(keys: str, *more: object) -> tuple[int, str, str]:
        return command("--sweep", sweep(keys), "--out", tmp_path / "runs", *more)

    near = ("`datasets` of the model `small` names `colour`; did you mean `colours`? known are colours, other",)
    for more in ((), ("--dry-run",), ("--status",), ("--part", "2/2"), ("--executor", "local"), ("--preview", "1")):
        assert_one_sentence(run('datasets = ["other", "colour"]', *more), *near)
    assert_one_sentence(run("datasets = []"), "entry 1 of models", "`datasets` should be a list of at least 1")
    assert_one_sentence(run('datasets = "other"'), "entry 1 of models", "`datasets` should be a list")
    assert_one_sentence(run("datasets = [3]"), "entry 1 of models", "`datasets[0]` should be text, found 3")
    assert not (tmp_path / "runs").exists()


def test_a_model_that_fails_fails_its_own_runs(command: Command, sweep: Write, tmp_path: Path) -> None:
    path = sweep('datasets = ["other"]', tmp_path / "gone")
    code, _, errors = command("--sweep", path, "--out", tmp_path / "runs", "--limit", 5, "--quiet")
    assert code == 1
    assert re.findall(r"failed: (\w+):", errors) == ["small__other"]
    assert errors.endswith("1 of 3 runs failed\n")


def test_a_dataset_that_is_given_in_python_is_the_one(checkpoint: Path, dataset: Any, tmp_path: Path) -> None:
    spec = ModelSpec(str(checkpoint), layers="last", limit=5, datasets=("colours",))
    assert extract.extract(model=spec, data=dataset, out=tmp_path / "runs", quiet=True).samples == 5


CHOICES = st.lists(st.none() | st.sets(st.integers(0, 4), min_size=1), min_size=1, max_size=6)


@given(CHOICES, st.integers(1, 5), st.integers(1, 8))
def test_parts_are_all_runs_once(choices: list[set[int] | None], count: int, total: int) -> None:
    models = [
        ModelSpec(f"m{i}", datasets=None if chosen is None else tuple(f"d{j}" for j in chosen))
        for i, chosen in enumerate(choices)
    ]
    files = [DatasetSpec(Path(f"d{i}.jsonl")) for i in range(count)]

    def runs(some: list[ModelSpec], of: list[DatasetSpec]) -> list[str]:
        outlines = [DatasetOutline(spec.file.stem, spec.file.name) for spec in of]
        return [spec.run_name(dataset.name) for spec in some for dataset in datasets_of(spec, outlines)]

    parts = [select_part(f"{number}/{total}", models, files) for number in range(1, total + 1)]
    everything = runs(models, files)
    assert sorted(name for part in parts for name in runs(*part)) == sorted(everything)
    for some, of in parts:
        read = needed(some, of)
        assert runs(some, read) == runs(some, of)
        assert all(any(name.split("__")[1] == spec.file.stem for name in runs(some, of)) for spec in read if some)
