"""Items that a model's processor refuses or that are too long with their picture, through the command."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pid_lvlm import data
from pid_lvlm.extract.datasets.images import picture_size
from pid_lvlm.extract.models.adapters.base import Adapter, ModelInputs
from tests.extract.console import Command, assert_one_sentence

Rows = list[dict[str, Any]]
Write = Callable[[Rows], Path]

REASON = "absolute aspect ratio must be smaller than 200, got 300.0"


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A processor that refuses thin pictures, as Qwen2-VL's does; lists the number of pictures of each call."""
    whole = Adapter.process
    calls: list[int] = []

    def process(adapter: Adapter, prompts: Sequence[str], pictures: Sequence[Image.Image] | None) -> ModelInputs:
        calls.append(len(pictures or ()))
        if any(picture.height > 200 * picture.width for picture in pictures or ()):
            raise ValueError(REASON)
        return whole(adapter, prompts, pictures)

    monkeypatch.setattr(Adapter, "process", process)
    return calls


@pytest.fixture
def thin(write_items: Write, rows: Rows, tmp_path: Path) -> Path:
    """Forty items, of which the 38th has a thin picture."""
    many = [{**rows[number % 11], "id": f"item-{number}"} for number in range(40)]
    many[37]["image"] = "thin.png"
    path = write_items(many)
    Image.new("RGB", (1, 300)).save(tmp_path / "thin.png")
    return path


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("weights were loaded")

    monkeypatch.setattr("pid_lvlm.extract.models.load._load_weights", refuse)


def arguments(checkpoint: Path, items: Path, out: Path, *more: object) -> tuple[object, ...]:
    return ("--model", checkpoint, "--data", items, "--out", out, "--layers", "last", "--quiet", *more)


@pytest.mark.usefixtures("no_weights")
@pytest.mark.parametrize("option", ["--dry-run", "--check-data"])
def test_a_refused_picture_is_found_without_weights(
    command: Command, checkpoint: Path, thin: Path, tmp_path: Path, prepared: list[int], option: str
) -> None:
    result = command(*arguments(checkpoint, thin, tmp_path / "runs", option))
    refused = f"row 38: the model's processor cannot prepare its picture of 1 × 300 pixels ({REASON})"
    assert_one_sentence(result, refused, "--on-bad skip leaves bad rows out")
    assert not (tmp_path / "runs").exists()
    assert (len(prepared) > 40) is (option == "--check-data")  # a quick look, or all of them


@pytest.mark.usefixtures("no_weights", "prepared")
def test_the_plan_counts_what_would_be_left_out(command: Command, checkpoint: Path, thin: Path, tmp_path: Path) -> None:
    more = ("--dry-run", "--on-bad", "skip")
    code, output, _ = command(*arguments(checkpoint, thin, tmp_path / "runs", *more))
    assert code == 0
    assert "40 read, 40 chosen, 1 dropped (1 picture refused by the processor), 39 used" in output
    assert "1 of 40 items left out: 1 picture refused by the processor (row 38, counted from 1)" in output


def test_refused_pictures_are_left_out_and_counted(
    command: Command, checkpoint: Path, thin: Path, tmp_path: Path, prepared: list[int]
) -> None:
    line = arguments(checkpoint, thin, tmp_path / "runs", "--on-bad", "skip", "--json")
    code, output, errors = command(*line)
    assert (code, json.loads(output)["runs"][0]["samples"]) == (0, 39), errors
    manifest = data.read_manifest(tmp_path / "runs" / "tiny__toy")
    assert manifest.dataset_rows["dropped"] == {"picture refused by the processor": 1}
    assert (manifest.num_samples, manifest.dataset_rows["kept"]) == (39, 39)
    run = data.read_run(tmp_path / "runs" / "tiny__toy")
    assert "item-37" not in run.arrays["sample_id"]

    prepared.clear()
    assert json.loads(command(*line)[1])["skipped"] == 1
    assert len(prepared) < 20  # a finished run tells which items it has


def test_mostly_refused_pictures(
    command: Command, checkpoint: Path, write_items: Write, rows: Rows, tmp_path: Path, prepared: list[int]
) -> None:
    path = write_items([{**row, "image": "thin.png"} for row in rows])
    Image.new("RGB", (1, 300)).save(tmp_path / "thin.png")
    result = command(*arguments(checkpoint, path, tmp_path / "runs", "--on-bad", "skip"))
    assert result[0] == 2
    assert "row 1: the model's processor cannot prepare its picture" in result[2]
    assert prepared


@pytest.mark.usefixtures("no_weights")
def test_a_processor_that_takes_no_picture(
    command: Command, checkpoint: Path, items: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        message = "mean must have 3 elements"
        raise TypeError(message)

    monkeypatch.setattr("transformers.LlavaProcessor.__call__", fail)
    result = command(*arguments(checkpoint, items, tmp_path / "runs", "--dry-run"))
    assert_one_sentence(result, "the model's processor cannot prepare any picture (mean must have 3 elements)")


@pytest.mark.usefixtures("no_weights")
@pytest.mark.parametrize("told", [True, False], ids=["from sizes", "from tokens"])
def test_the_picture_counts(
    command: Command, checkpoint: Path, items: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, told: bool
) -> None:
    """A prompt that fits alone and not with its picture of 4 tokens."""
    _, output, _ = command(*arguments(checkpoint, items, tmp_path / "runs", "--dry-run"))
    assert "4 visual tokens" in output
    longest = max(_lengths(checkpoint, items))
    monkeypatch.setattr(Adapter, "context", longest + 2)
    if not told:
        monkeypatch.setattr(Adapter, "expected_picture_tokens", lambda *_: None)
    result = command(*arguments(checkpoint, items, tmp_path / "runs", "--check-data"))
    text = f"its prompt has {longest - 1} and its picture 4 tokens, and the model reads at most {longest + 2}"
    assert result[0] == 2
    assert text in result[2]
    monkeypatch.setattr(Adapter, "context", longest + 3)
    assert command(*arguments(checkpoint, items, tmp_path / "runs", "--check-data"))[0] == 0


def _lengths(checkpoint: Path, items: Path) -> list[int]:
    from pid_lvlm.extract.config import DatasetSpec, ModelSpec
    from pid_lvlm.extract.datasets.load import load_dataset
    from pid_lvlm.extract.models.load import load_adapter
    from pid_lvlm.extract.prompts.prompt_plan import make_plan

    adapter = load_adapter(ModelSpec(str(checkpoint)), weights=False)
    return [planned.tokens for planned in make_plan(adapter, load_dataset(DatasetSpec(items)), "letters", "all").items]


def test_a_length_that_shows_only_in_the_tokens(
    command: Command, checkpoint: Path, items: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = max(_lengths(checkpoint, items))
    monkeypatch.setattr(Adapter, "expected_picture_tokens", lambda *_: None)
    monkeypatch.setattr(Adapter, "context", longest + 2)
    result = command(*arguments(checkpoint, items, tmp_path / "runs"))
    assert_one_sentence(result, "item 'item-", f"the model reads at most {longest + 2}; shorten it or leave")
    assert not list((tmp_path / "runs").glob("tiny*"))


def test_sizes_are_those_of_the_opened_picture(tmp_path: Path) -> None:
    upright, turned = tmp_path / "upright.jpg", tmp_path / "turned.jpg"
    picture = Image.new("RGB", (30, 10))
    picture.save(upright)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(turned, exif=exif)
    assert picture_size(upright) == (10, 30)
    assert picture_size(turned.read_bytes()) == (30, 10)
    assert picture_size(tmp_path / "gone.png") is None
    assert picture_size(b"no picture") is None
