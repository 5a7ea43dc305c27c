"""Shards are written by a thread: what a full disk, a refused picture or Ctrl-C leaves is continued exactly."""

import errno
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
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
WRITE = "pid_lvlm.extract.run.contents.run_folder.write_atomic"
WRITE_SHARD = "pid_lvlm.extract.run.contents.run_folder.RunFolder.write_shard"
MEASURE = "pid_lvlm.extract.measure.measurement.Measurement._measured"


@dataclass(frozen=True)
class Broken:
    """A run that something ends before it is done, beside the same run undisturbed."""

    run: Extract
    dataset: Dataset
    out: Path
    patch: pytest.MonkeyPatch
    whole: dict[str, bytes]

    def by(self, changes: dict[str, object], error: type[BaseException], match: str | None = None) -> None:
        """Run it with these attributes changed; it ends in an error."""
        with self.patch.context() as patched:
            for name, value in changes.items():
                patched.setattr(name, value)
            with pytest.raises(error, match=match):
                self.run(self.dataset, self.out, **SETTINGS)

    def files(self) -> dict[str, bytes]:
        return contents(self.out / "tiny__toy")

    def left(self) -> list[str]:
        """Its shards, each whole; nothing half-written is there."""
        files = self.files()
        shards = [name for name in files if name.startswith("shard")]
        assert all(files[name] == self.whole[name] for name in shards)
        assert not [name for name in files if name.endswith(".partial")]
        return shards

    def finished(self) -> int:
        """Finish it; returns what it measured. Its files are then those of the undisturbed run."""
        outcome = self.run(self.dataset, self.out, **SETTINGS)
        assert contents(outcome.folder) == self.whole
        return outcome.measured


@pytest.fixture
def broken(run: Extract, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Broken:
    whole = contents(run(dataset, tmp_path / "whole", **SETTINGS).folder)
    return Broken(run, dataset, tmp_path / "broken", monkeypatch, whole)


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
def test_a_disk_that_fills_up(broken: Broken, code: int) -> None:
    def full(path: Path, content: bytes) -> None:
        if path.name == shard_file(2):
            raise PidError(f"cannot write `{path}`: {os.strerror(code)}; free space or choose another --out")
        write_atomic(path, content)

    broken.by({WRITE: full}, PidError, rf"cannot write `.*shard-00002.npz`: {os.strerror(code)}")
    assert broken.left() == [shard_file(0), shard_file(1)]
    assert broken.finished() == len(broken.dataset.items) - 4


def test_the_last_shard_on_a_full_disk_leaves_the_run_unfinished(broken: Broken) -> None:
    def full(_descriptor: int) -> None:
        if len(list(broken.out.glob("*/shard-*.npz"))) == SHARDS - 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    broken.by({"pid_lvlm.data.files.os.fsync": full}, PidError, "No space left on device")
    assert b'"finished": false' in broken.files()["manifest.json"]
    assert broken.finished() == 1


def test_a_picture_that_is_refused_in_the_middle(broken: Broken) -> None:
    """What was measured before is written, also if writing it takes longer than the picture takes to be refused."""
    measured, refused = Measurement._measured, threading.Event()
    write = RunFolder.write_shard

    def refuse(self: Measurement, items: list[object], *more: object) -> object:
        if any(planned.item.id == broken.dataset.items[4].id for planned in items):
            refused.set()
            raise BadItemError(broken.dataset.items[4], "refused")
        return measured(self, items, *more)

    def slowly(self: RunFolder, index: int, *more: object) -> bool:
        assert index != 1 or refused.wait(10)
        return write(self, index, *more)

    broken.by({MEASURE: refuse, WRITE_SHARD: slowly}, BadItemError, "refused")
    assert broken.left() == [shard_file(0), shard_file(1)]
    assert broken.finished() == len(broken.dataset.items) - 4


def test_ctrl_c_while_a_shard_is_written(broken: Broken) -> None:
    """The shard is written to its end; the command ends then."""
    measured, writing, interrupted = Measurement._measured, threading.Event(), threading.Event()

    def interrupt(self: Measurement, items: list[object], *more: object) -> object:
        if any(planned.item.id == broken.dataset.items[2].id for planned in items):
            assert writing.wait(10)
            interrupted.set()
            raise KeyboardInterrupt
        return measured(self, items, *more)

    def slowly(path: Path, content: bytes) -> None:
        if path.name == shard_file(0):
            writing.set()
            assert interrupted.wait(10)
        write_atomic(path, content)

    broken.by({MEASURE: interrupt, WRITE: slowly}, KeyboardInterrupt)
    assert broken.left() == [shard_file(0)]
    assert broken.finished() == len(broken.dataset.items) - 2
