"""A tiny real LLaVA and a handful of items, shared by the whole folder: importing and saving them costs seconds."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pid_lvlm.extract.models.torchvision_compat  # noqa: F401  before transformers, which imports torchvision

# isort: split
import numpy as np
import pytest
import torch
from PIL import Image

from pid_lvlm.data.contract.schema.receipt import Receipt
from pid_lvlm.extract.cli.main import main
from pid_lvlm.extract.config import DatasetSpec, ExtractionConfig, ModelSpec
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.datasets.load import load_dataset
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.load import load_adapter
from pid_lvlm.extract.run.extract_run import Outcome, extract_run
from pid_lvlm.extract.run.progress import Reporter
from pid_lvlm.extract.run.receipt.make import Subject, make_receipt
from tests.extract.console import Command
from tests.extract.tiny_llava import save_tiny_llava

WORDS = ("red", "green", "blue", "yellow")


torch.set_num_threads(1)  # the model is too small to share out, and threads that wait for each other cost seconds


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_llava(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def adapter(checkpoint: Path) -> Adapter:
    return load_adapter(ModelSpec(str(checkpoint)))


@pytest.fixture(scope="session")
def receipts() -> dict[object, Receipt]:
    """Receipts of the tests before this one."""
    return {}


@pytest.fixture(autouse=True)
def remembered_receipts(monkeypatch: pytest.MonkeyPatch, receipts: dict[object, Receipt]) -> None:
    """A receipt takes a third of a second, and most tests are not about it: one is made per checkpoint and items."""

    def remember(subject: Subject) -> Receipt:
        model, head = subject.adapter.model, subject.plan.items[:32]
        key = (
            type(subject.adapter),
            model.name_or_path,
            model.dtype,
            subject.conditions,
            *(planned.item.id for planned in (*head, *subject.crossed)),
        )
        if not model.name_or_path or not subject.adapter.leak_tested:
            return make_receipt(subject)
        if key not in receipts:
            receipts[key] = make_receipt(subject)
        return receipts[key]

    monkeypatch.setattr("pid_lvlm.extract.run.extract_run.make_receipt", remember)


@pytest.fixture
def fresh_receipts(monkeypatch: pytest.MonkeyPatch, remembered_receipts: None) -> None:
    """For tests of receipts: every run makes its own."""
    monkeypatch.setattr("pid_lvlm.extract.run.extract_run.make_receipt", make_receipt)


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    """Eleven items of different lengths and numbers of options."""
    return [
        {
            "id": f"item-{i}",
            "image": f"picture-{i % 6}.png",
            "question": "which colour is " + "very " * (i % 3) + "common here?",
            "options": list(WORDS[: 2 + i % 3]),
            "answer": "AB"[i % 2],
            "hint": "look closely" if i % 2 else "",
        }
        for i in range(11)
    ]


@pytest.fixture
def write_items(tmp_path: Path) -> Callable[[list[dict[str, Any]]], Path]:
    """Write rows as jsonl beside six pictures; returns the file."""

    def write(rows: list[dict[str, Any]]) -> Path:
        rng = np.random.default_rng(0)
        for i in range(6):
            Image.fromarray(rng.integers(0, 255, (20, 24, 3), dtype=np.uint8)).save(tmp_path / f"picture-{i}.png")
        path = tmp_path / "toy.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write


@pytest.fixture
def items(write_items: Callable[[list[dict[str, Any]]], Path], rows: list[dict[str, Any]]) -> Path:
    """The file of these rows."""
    return write_items(rows)


@pytest.fixture
def dataset(write_items: Callable[[list[dict[str, Any]]], Path], rows: list[dict[str, Any]]) -> Dataset:
    return load_dataset(DatasetSpec(write_items(rows)))


@pytest.fixture
def run(adapter: Adapter, checkpoint: Path) -> Callable[..., Outcome]:
    """Extract a dataset with the tiny model; keyword arguments are settings."""

    def extract(dataset: Dataset, out: Path, **settings: Any) -> Outcome:
        config = ExtractionConfig(out, **{"batch_size": 4, "shard_size": 4, **settings})
        return extract_run(adapter, ModelSpec(str(checkpoint)), "r1", dataset, config, Reporter(quiet=True))

    return extract


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run `pid-extract` in this process; returns exit code, standard output and standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["pid-extract", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        return (caught.value.code or 0, *capsys.readouterr())  # type: ignore[return-value]

    return run
