"""Several processes on one run: the bytes of one process, whatever becomes of the others."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pid_lvlm import extract
from pid_lvlm.extract.config import DatasetSpec
from pid_lvlm.extract.datasets.item import Dataset, Item
from pid_lvlm.extract.datasets.load import load_dataset
from pid_lvlm.extract.errors import UsageError
from pid_lvlm.extract.measure.encode import BadItemError
from pid_lvlm.extract.run.devices import check_launcher, process_devices
from pid_lvlm.extract.run.processes import Further, Processes
from tests import ROOT
from tests.extract.console import Command
from tests.extract.run.conftest import contents

SETTINGS: dict[str, Any] = {"letters": "plain", "batch_size": 2, "shard_size": 3, "quiet": True}


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[Further]:
    """Further processes, which have loaded the model before there is work: a tiny run would end before."""
    found: list[Further] = []
    start = Processes.start

    def start_and_wait(self: Processes, *arguments: Any) -> None:
        start(self, *arguments)
        for one in self.alive:
            assert one.connection.poll(120)
        found.extend(self.alive)

    monkeypatch.setattr(Processes, "start", start_and_wait)
    return found


@pytest.mark.slow
def test_the_bytes_are_those_of_one_process(
    checkpoint: Path,
    write_items: Callable[[list[dict[str, Any]]], Path],
    rows: list[dict[str, Any]],
    tmp_path: Path,
    loaded: list[Further],
) -> None:
    """Two runs of one sweep, one of them with everything that a shard can hold."""
    alike = [
        {**row, "options": ["red", "green", "blue"][: 2 + i // 5], "image": f"picture-{i % 5}.png"}
        for i, row in enumerate(rows[:10])
    ]
    plain = {"model": checkpoint, "data": write_items(alike), **SETTINGS}
    for settings in (plain, {**plain, "name": "more", "crossed": 2, "ablation": ("other", "mean"), "other_draws": 1}):
        alone = extract.extract(out=tmp_path / "a", **settings)
        two = extract.extract(out=tmp_path / "b", **settings, processes=2)
        assert contents(two.folder) == contents(alone.folder)
        assert loaded[-1].seen
        assert loaded[-1].process.poll() is not None


@pytest.mark.slow
def test_a_process_that_is_killed(
    checkpoint: Path,
    items: Path,
    tmp_path: Path,
    loaded: list[Further],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its shard is measured by the others, and nothing else again; in the end this process finishes by itself."""
    settings = {"model": checkpoint, "data": items, **SETTINGS, "quiet": False}
    alone = extract.extract(out=tmp_path / "a", **settings)
    given: list[tuple[int, bool]] = []
    give = Further.give

    def give_and_kill(self: Further, shard: int, stats: Any, share: Any) -> None:
        give(self, shard, stats, share)
        given.append((shard, stats is not None))
        if stats is not None:
            os.kill(self.process.pid, signal.SIGKILL)

    monkeypatch.setattr(Further, "give", give_and_kill)
    capsys.readouterr()
    two = extract.extract(out=tmp_path / "b", **settings, processes=2)
    assert contents(two.folder) == contents(alone.folder)
    lost = [shard for shard, of_arrays in given if of_arrays]
    assert len(lost) == 1
    sentence = f"a further process ended (SIGKILL), perhaps for lack of memory; the others go on, and measure `shard-{lost[0]:05d}.npz` again"  # noqa: E501
    assert capsys.readouterr().err.count(sentence) == 1


@pytest.mark.slow
def test_a_bad_picture_that_the_other_process_finds(
    checkpoint: Path, items: Path, tmp_path: Path, loaded: list[Further], monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = load_dataset(DatasetSpec(items))
    other = toy.items[1].image()
    (tmp_path / "picture-0.png").unlink()
    monkeypatch.setattr(Item, "image", lambda _item: other)  # in this process only
    with pytest.raises(BadItemError, match=r"item 'item-0' \(row 1\): there is no picture"):
        extract.extract(model=checkpoint, data=toy, out=tmp_path / "runs", **SETTINGS, processes=2)
    assert list((tmp_path / "runs").glob("*/*")) == []
    assert loaded[0].process.poll() is not None


@pytest.mark.slow
def test_a_model_that_the_other_process_cannot_load(
    checkpoint: Path,
    items: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    loaded: list[Further],
) -> None:
    made = Further.__init__

    def elsewhere(self: Further, start: Any) -> None:
        made(self, replace(start, spec=replace(start.spec, model="nothing/there")))

    monkeypatch.setattr(Further, "__init__", elsewhere)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    extract.extract(model=checkpoint, data=items, out=tmp_path / "runs", **SETTINGS | {"quiet": False}, processes=2)
    assert "note: tiny: a further process cannot load the model on cpu (" in capsys.readouterr().err
