"""Pictures prepared by other processes: the same bytes, the same sentences, and an end when the command ends."""

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pid_lvlm.data.errors import PidError
from pid_lvlm.extract.datasets.item import Dataset, Item
from pid_lvlm.extract.errors import ModelError, UsageError
from pid_lvlm.extract.measure.ahead import SHARED_MEMORY, _unless_cut_off, can_fork, prepared_ahead, usual_workers
from pid_lvlm.extract.measure.encode import BadItemError, RefusedPictureError, host_inputs
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.prompts.prompt_plan import make_plan
from pid_lvlm.extract.run.extract_run import Outcome
from tests.extract.run.conftest import contents

pytestmark = [
    pytest.mark.skipif(not can_fork(), reason="other processes share the model by fork"),
    pytest.mark.filterwarnings("ignore:.*use of fork.*may lead to deadlocks:DeprecationWarning"),
]

Extract = Callable[..., Outcome]
SETTINGS = {"layers": "last", "letters": "plain", "batch_size": 2, "shard_size": 6}


def test_the_bytes_do_not_depend_on_the_number_of_processes(run: Extract, dataset: Dataset, tmp_path: Path) -> None:
    alone = contents(run(dataset, tmp_path / "a", **SETTINGS, workers=0).folder)
    assert contents(run(dataset, tmp_path / "b", **SETTINGS, workers=2).folder) == alone


@pytest.mark.parametrize("workers", [0, 2])
def test_a_picture_that_is_gone_is_one_sentence(run: Extract, dataset: Dataset, tmp_path: Path, workers: int) -> None:
    (tmp_path / "picture-5.png").unlink()
    sentence = "item 'item-5' (row 6): picture `"
    with pytest.raises(BadItemError, match=re.escape(sentence)):
        run(dataset, tmp_path / "runs", **SETTINGS, workers=workers)
    assert list((tmp_path / "runs").glob("*/*")) == []


@pytest.mark.parametrize("workers", [0, 2])
def test_a_picture_that_the_processor_refuses(
    run: Extract, adapter: Adapter, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    bad = make_plan(adapter, dataset, "letters", "all").items[1].prompt
    process = type(adapter).process

    def refuse(self: Adapter, prompts: Any, pictures: Any) -> Any:
        if bad in prompts and pictures is not None and any(picture.size == (24, 20) for picture in pictures):
            raise ValueError("absolute aspect ratio must be smaller than 200")
        return process(self, prompts, pictures)

    monkeypatch.setattr(type(adapter), "process", refuse)
    sentence = "item 'item-1' (row 2): the model's processor cannot prepare its picture of 24 × 20 pixels (absolute asp"
    with pytest.raises(RefusedPictureError, match=re.escape(sentence)):
        run(dataset, tmp_path / "runs", **SETTINGS, workers=workers)


def test_a_process_that_is_killed_is_one_sentence(
    run: Extract, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = os.getpid()
    image = Item.image

    def die(item: Item) -> Any:
        if os.getpid() != here and item.id == "item-7":
            os.kill(os.getpid(), signal.SIGKILL)
        return image(item)

    with monkeypatch.context() as patched:
        patched.setattr(Item, "image", die)
        sentence = (
            r"a process that prepares pictures ended \(DataLoader worker .*\), perhaps for lack of memory; run the"
        )
        with pytest.raises(PidError, match=sentence):
            run(dataset, tmp_path / "a", **SETTINGS, workers=2)
    again = run(dataset, tmp_path / "a", **SETTINGS, workers=2)
    assert contents(again.folder) == contents(run(dataset, tmp_path / "b", **SETTINGS, workers=0).folder)


def test_a_picture_is_decoded_once_for_all_its_questions_in_a_batch(
    adapter: Adapter, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = make_plan(adapter, dataset, "letters", "all").items
    expected = [host_inputs(adapter, [planned]).inputs["pixel_values"][0] for planned in items]
    opened: list[str] = []
    image = Item.image
    monkeypatch.setattr(Item, "image", lambda item: opened.append(item.id) or image(item))
    apart, shared = (host_inputs(adapter, items, share) for share in (False, True))
    assert opened == 2 * [f"item-{i}" for i in range(6)]  # eleven items, six pictures
    assert torch.equal(apart.inputs["pixel_values"], torch.stack(expected))
    assert shared.rows is not None
    assert torch.equal(shared.inputs["pixel_values"][list(shared.rows.leader_of)], torch.stack(expected))


class OddError(Exception):
    """Cannot be made again from its text alone, as errors of some libraries."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} {two}")


class OddUserError(PidError):
    """The same, for the user."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} {two}")


def test_order_and_errors_of_processes() -> None:
    item = Item("17", "g", Path("p.png"), "?", ("a", "b"), row=3)
    raised: list[Exception] = [
        RefusedPictureError(item, "too thin"),
        UsageError("no such option"),
        OddError("half", "full"),
        OddUserError("half", "full"),
    ]

    def prepare(number: int) -> int:
        if number < 10:
            return number
        raise raised[number - 10]

    outcomes = list(prepared_ahead([*range(14)], prepare, 2))
    assert [outcome.get() for outcome in outcomes[:10]] == [*range(10)]
    errors = [outcome.error for outcome in outcomes[10:]]
    assert [type(error) for error in errors] == [RefusedPictureError, UsageError, RuntimeError, ModelError]
    assert [str(error) for error in errors] == [
        "item '17' (row 3): too thin",
        "no such option",
        "OddError: half full",
        "half full",
    ]
    assert isinstance(errors[0], RefusedPictureError)
    assert (errors[0].item, errors[0].reason) == (item, "too thin")
    assert "in prepare" in errors[1].__notes__[0]  # type: ignore[union-attr]


def test_an_iteration_that_stops_early_leaves_no_process() -> None:
    stream = prepared_ahead([*range(40)], lambda _number: os.getpid(), 2)
    pids = {next(stream).get() for _ in range(3)}
    assert os.getpid() not in pids
    stream.close()
    waited = time.monotonic() + 10
    while (left := [pid for pid in pids if Path(f"/proc/{pid}").exists()]) and time.monotonic() < waited:
        time.sleep(0.05)
    assert left == []


def test_how_many_are_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 2**40

    monkeypatch.setattr("pid_lvlm.extract.measure.ahead.shutil.disk_usage", lambda _path: Usage)
    assert SHARED_MEMORY.is_dir()
    assert [usual_workers("cpu", 64), usual_workers("cuda", 64), usual_workers("cuda", 2)] == [0, 4, 1]
    Usage.free = 64 * 2**20  # what docker gives a container
    assert usual_workers("cuda", 64) == 0


def test_a_connection_that_ends_with_the_command_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Other errors of a process's threads are."""
    _unless_cut_off(ConnectionResetError, ConnectionResetError(104, "reset by peer"), None)
    assert capsys.readouterr().err == ""
    _unless_cut_off(ValueError, ValueError("odd"), None)
    assert "ValueError: odd" in capsys.readouterr().err
