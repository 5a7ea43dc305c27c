"""Shards are written by a thread: what a full disk, a refused picture or Ctrl-C leaves is continued exactly."""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pid_lvlm.data.errors import PidError
from pid_lvlm.data.files import write_atomic
from pid_lvlm.data.names import shard_file
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.measure.encode import BadItemError
from pid_lvlm.extract.measure.measurement import Measurement
from pid_lvlm.extract.run.contents.run_folder import RunFolder
from pid_lvlm.extract.run.contents.shard_writer import ShardWriter
from pid_lvlm.extract.run.extract_run import Outcome
from tests.extract.run.conftest import contents

Extract = Callable[..., Outcome]
SETTINGS = {"layers": "last", "batch_size": 2, "shard_size": 2}
SHARDS = 6
"""Of the eleven items."""


@pytest.fixture
def whole(run: Extract, dataset: Dataset, tmp_path: Path) -> dict[str, bytes]:
    """Files of an undisturbed run."""
    return contents(run(dataset, tmp_path / "whole", **SETTINGS).folder)


@pytest.fixture
def again(run: Extract, dataset: Dataset, tmp_path: Path, whole: dict[str, bytes]) -> Callable[[], int]:
    """Finish the broken run; returns what it measured. Its files are then those of an undisturbed one."""

    def finish() -> int:
        outcome = run(dataset, tmp_path / "broken", **SETTINGS)
        assert contents(outcome.folder) == whole
        return outcome.measured

    return finish


def left(tmp_path: Path, whole: dict[str, bytes]) -> list[str]:
    """Shards of the broken run, each whole; nothing half-written is there."""
    files = contents(tmp_path / "broken" / "tiny__toy")
    shards = [name for name in files if name.startswith("shard")]
    assert all(files[name] == whole[name] for name in shards)
    assert not [name for name in files if name.endswith(".partial")]
    return shards


def test_shards_are_written_one_by_one_in_another_thread() -> None:
    """The next one may be measured while one is written; a third waits, so that memory holds two at most."""
    may_write, threads, written, strange = threading.Event(), set(), [], []

    def write(shard: int, content: str) -> bool:
        assert may_write.wait(10)
        threads.add(threading.current_thread())
        written.append((shard, content))
        return shard != 1

    with ShardWriter(write, strange.append) as files:
        files.put(0, "a")  # does not wait
        assert written == []
        threading.Timer(0.05, may_write.set).start()
        files.put(1, "b")  # until the first one is written
        assert written[0] == (0, "a")
        files.put(2, "c")
    assert written == [(0, "a"), (1, "b"), (2, "c")]
    assert strange == [1]
    assert threading.current_thread() not in threads
    assert not any(thread.is_alive() for thread in threads)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fills_up(
    run: Extract,
    dataset: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    whole: dict[str, bytes],
    again: Callable[[], int],
    code: int,
) -> None:
    def full(path: Path, content: bytes) -> None:
        if path.name == shard_file(2):
            raise PidError(f"cannot write `{path}`: {os.strerror(code)}; free space or choose another --out")
        write_atomic(path, content)

    with monkeypatch.context() as patched:
        patched.setattr("pid_lvlm.extract.run.contents.run_folder.write_atomic", full)
        with pytest.raises(PidError, match=rf"cannot write `.*shard-00002.npz`: {os.strerror(code)}"):
            run(dataset, tmp_path / "broken", **SETTINGS)
    assert left(tmp_path, whole) == [shard_file(0), shard_file(1)]
    assert again() == len(dataset.items) - 4


def test_the_last_shard_on_a_full_disk_leaves_the_run_unfinished(
    run: Extract,
    dataset: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    whole: dict[str, bytes],
    again: Callable[[], int],
) -> None:
    def full(_descriptor: int) -> None:
        if len(list(tmp_path.glob("broken/*/shard-*.npz"))) == SHARDS - 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("pid_lvlm.data.files.os.fsync", full)
        with pytest.raises(PidError, match="No space left on device"):
            run(dataset, tmp_path / "broken", **SETTINGS)
    assert b'"finished": false' in contents(tmp_path / "broken" / "tiny__toy")["manifest.json"]
    assert again() == 1


def test_a_picture_that_is_refused_in_the_middle(
    run: Extract,
    dataset: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    whole: dict[str, bytes],
    again: Callable[[], int],
) -> None:
    """What was measured before is written, also if writing it takes longer than the picture takes to be refused."""
    measured, refused = Measurement._measured, threading.Event()
    write = RunFolder.write_shard

    def refuse(self: Measurement, items: list[object], *more: object) -> object:
        if any(planned.item.id == dataset.items[4].id for planned in items):
            refused.set()
            raise BadItemError(dataset.items[4], "refused")
        return measured(self, items, *more)

    def slowly(self: RunFolder, index: int, *more: object) -> bool:
        assert index != 1 or refused.wait(10)
        return write(self, index, *more)

    with monkeypatch.context() as patched:
        patched.setattr(Measurement, "_measured", refuse)
        patched.setattr(RunFolder, "write_shard", slowly)
        with pytest.raises(BadItemError, match="refused"):
            run(dataset, tmp_path / "broken", **SETTINGS)
    assert left(tmp_path, whole) == [shard_file(0), shard_file(1)]
    assert again() == len(dataset.items) - 4


def test_ctrl_c_while_a_shard_is_written(
    run: Extract,
    dataset: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    whole: dict[str, bytes],
    again: Callable[[], int],
) -> None:
    """The shard is written to its end; the command ends then."""
    measured, writing, interrupted = Measurement._measured, threading.Event(), threading.Event()

    def interrupt(self: Measurement, items: list[object], *more: object) -> object:
        if any(planned.item.id == dataset.items[2].id for planned in items):
            assert writing.wait(10)
            interrupted.set()
            raise KeyboardInterrupt
        return measured(self, items, *more)

    def slowly(path: Path, content: bytes) -> None:
        if path.name == shard_file(0):
            writing.set()
            assert interrupted.wait(10)
        write_atomic(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(Measurement, "_measured", interrupt)
        patched.setattr("pid_lvlm.extract.run.contents.run_folder.write_atomic", slowly)
        with pytest.raises(KeyboardInterrupt):
            run(dataset, tmp_path / "broken", **SETTINGS)
    assert left(tmp_path, whole) == [shard_file(0)]
    assert again() == len(dataset.items) - 2
