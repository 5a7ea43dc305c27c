"""Several processes on one run: the bytes of one process, whatever becomes of the others."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pid_lvlm import extract
from pid_lvlm.extract.config import DatasetSpec, ModelSpec
from pid_lvlm.extract.datasets.item import Item
from pid_lvlm.extract.datasets.load import load_dataset
from pid_lvlm.extract.errors import UsageError
from pid_lvlm.extract.measure.ahead import Outcome
from pid_lvlm.extract.measure.encode import BadItemError
from pid_lvlm.extract.run.contents.run_folder import RunFolder
from pid_lvlm.extract.run.sharing.devices import check_launcher, process_devices
from pid_lvlm.extract.run.sharing.further_process import Reply
from pid_lvlm.extract.run.sharing.processes import Further, LostError, Processes
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
    sentence = f"an additional process died (SIGKILL), perhaps for lack of memory; the others continue, and measure `shard-{lost[0]:05d}.npz` again"  # noqa: E501
    assert capsys.readouterr().err.count(sentence) == 1


@pytest.mark.slow
def test_a_bad_picture_that_the_other_process_finds(
    checkpoint: Path, items: Path, tmp_path: Path, loaded: list[Further], monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = load_dataset(DatasetSpec(items))
    other = toy.items[1].image()
    (tmp_path / "picture-0.png").unlink()
    monkeypatch.setattr(Item, "image", lambda _item: other)  # in this process only
    with pytest.raises(BadItemError, match=r"item 'item-0' \(row 1\): picture .* does not exist"):
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
    assert "note: tiny: an additional process cannot load the model on cpu (" in capsys.readouterr().err


@pytest.mark.slow
def test_an_interrupted_run_continues_and_leaves_no_process(
    checkpoint: Path, items: Path, tmp_path: Path, loaded: list[Further], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"model": checkpoint, "data": items, **SETTINGS}
    alone = extract.extract(out=tmp_path / "a", **settings)
    write = RunFolder.write_shard
    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, "write_shard", lambda *given: write(*given) and _interrupt())
        with pytest.raises(KeyboardInterrupt):
            extract.extract(out=tmp_path / "b", **settings, processes=2)
    assert loaded[0].process.poll() is not None
    again = extract.extract(out=tmp_path / "b", **settings)
    assert again.measured in (8, 9)  # of 11: one shard was whole
    assert contents(again.folder) == contents(alone.folder)


def _interrupt() -> bool:
    raise KeyboardInterrupt


class Stub:
    """A further process as `Processes` sees it: it answers at once, until it is to end."""

    device = "cpu"
    connection = None

    def __init__(self, lives: int) -> None:
        self.ready, self.shard, self.seen = False, None, set[int]()
        self._lives = lives

    def give(self, shard: int, _stats: object, _share: object) -> None:
        self.shard = shard

    def take(self) -> Reply | None:
        if not self._lives:
            raise LostError
        if not self.ready:
            return Reply(Outcome())
        if self.shard is None:
            return None
        self._lives -= 1
        return Reply(Outcome(-self.shard), ("once",))

    def how_it_ended(self) -> str:
        return "SIGKILL"

    def end(self) -> None:
        pass


def test_every_shard_is_measured_once_whoever_dies() -> None:
    notes: list[str] = []
    processes = Processes(ModelSpec("m"), ("cpu",) * 3, notes.append)
    processes.alive = [Stub(1), Stub(2), Stub(3)]  # type: ignore[list-item]
    made: dict[int, tuple[int, bool]] = {}

    def own(shard: int, turn: Callable[[int], None]) -> int:
        turn(1)
        return shard

    def keep(shard: int, value: int, mine: bool) -> None:
        assert shard not in made
        made[shard] = (value, mine)

    processes.each(None, range(1, 30), None, own, keep)  # type: ignore[arg-type]
    assert sorted(made) == [*range(1, 30)]
    assert sum(not mine for _, mine in made.values()) == 1 + 2 + 3
    assert all(value == (shard if mine else -shard) for shard, (value, mine) in made.items())
    assert len([note for note in notes if "SIGKILL" in note]) == 3


def test_each_process_has_a_gpu_or_a_share_of_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    assert process_devices("mps", 1) == ("mps",)
    assert process_devices("cpu", 3) == ("cpu",) * 3
    monkeypatch.setattr("pid_lvlm.extract.models.load.resolve_device", lambda name: name)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert process_devices("cuda", 2) == ("cuda:0", "cuda:1")
    with pytest.raises(UsageError, match="--processes 3 needs a GPU for each process, but torch sees 2; give at most"):
        process_devices("cuda", 3)
    with pytest.raises(
        UsageError, match="--processes 2 uses one GPU after another, or the CPU, but --device cuda:1 names"
    ):
        process_devices("cuda:1", 2)


def test_torchrun_is_refused(monkeypatch: pytest.MonkeyPatch, checkpoint: Path, items: Path, tmp_path: Path) -> None:
    check_launcher({"WORLD_SIZE": "8"})  # of a job script
    check_launcher({"WORLD_SIZE": "1", "LOCAL_RANK": "0"})
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(UsageError, match="has started this command 2 times .*, with `processes` 2"):
        extract.extract(model=checkpoint, data=items, out=tmp_path / "runs")


def test_the_plan_names_the_processes(command: Command, checkpoint: Path, items: Path, tmp_path: Path) -> None:
    given = ("--model", checkpoint, "--data", items, "--out", tmp_path / "runs", "--processes", 2)
    code, out, _ = command(*given, "--dry-run")
    assert code == 0
    assert "processes   2, each with its own copy of the weights, on cpu (1 thread each), for 1 file; a smaller" in out
    code, _, err = command(*given, "--executor", "local")
    assert (code, err) == (2, "error: --executor local and --processes both divide up this machine; give one of them\n")
