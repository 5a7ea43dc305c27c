"""Processes that prepare pictures or measure end with the command, whatever ends it, and the same command continues."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests import CHECKPOINT, ROOT
from tests.hostile.test_endings import LONGEST, begin, ended

CHILDREN = Path("/proc/self/task") / str(os.getpid()) / "children"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHILDREN.exists(), reason="processes are found in /proc"),
]


def extract(out: Path, workers: int, processes: int = 1) -> subprocess.Popen[str]:
    card = ROOT / "data/demo/items/fusion.toml"
    sizes = ("--limit", 160, "--shard-size", 32, "--batch-size", 4, "--layers", "last", "--workers", workers)
    sizes += ("--processes", processes)
    return begin("pid-extract", "--model", CHECKPOINT, "--data", card, "--out", out, *sizes, start_new_session=True)


def workers_of(process: subprocess.Popen[str], number: int = 2) -> list[int]:
    """Ids of a command's processes, once there are as many as expected."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        found = [int(pid) for pid in children.read_text().split()]
        if len(found) == number:
            return found
        time.sleep(0.02)
    raise AssertionError("the command started no processes")


def are_gone(pids: list[int]) -> bool:
    until = time.monotonic() + LONGEST
    while any(_runs(pid) for pid in pids):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_command_and_its_processes_end_together(tmp_path: Path) -> None:
    assert ended(extract(tmp_path / "whole", 0))[0] == 0
    for number in (signal.SIGINT, signal.SIGKILL):
        end_by(number, extract(tmp_path / "cut", 2), 2)
    assert ended(extract(tmp_path / "cut", 2))[0] == 0  # nobody holds the lock any more
    whole, cut = (
        {path.relative_to(out): path.read_bytes() for path in out.glob("*/*")}
        for out in (tmp_path / "whole", tmp_path / "cut")
    )
    assert cut == whole


def test_processes_that_share_a_run_end_with_it(tmp_path: Path) -> None:
    for number in (signal.SIGINT, signal.SIGKILL):
        end_by(number, extract(tmp_path / "runs", 0, processes=2), 1)


def end_by(number: signal.Signals, process: subprocess.Popen[str], started: int) -> None:
    """End a command by a signal, with the processes that it has started."""
    pids = workers_of(process, started)
    time.sleep(0.3)
    begun = time.monotonic()
    if number == signal.SIGINT:  # as a terminal does, which interrupts all processes of a command
        os.killpg(process.pid, number)
    else:
        process.kill()
    left, _, err = ended(process)
    assert time.monotonic() - begun < LONGEST
    assert left in (0, 130 if number == signal.SIGINT else -number), err
    assert are_gone(pids)
