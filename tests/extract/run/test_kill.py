"""A run killed at any moment and started again ends as if nothing had happened."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pid_lvlm import data

MOMENTS = ("manifest.json", "shard-00000.npz", "shard-00003.npz")
"""The process is killed as soon as this file is there: before the statistics, and twice between shards."""


def start(checkpoint: Path, items: Path, out: Path) -> subprocess.Popen[bytes]:
    program = "from pid_lvlm.extract.cli.main import main; main()"
    settings = ["--batch-size", "1", "--shard-size", "2", "--layers", "last", "--quiet"]
    arguments = ["--model", str(checkpoint), "--data", str(items), "--out", str(out), *settings]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", program, *arguments], env=environment)


def kill_when(process: subprocess.Popen[bytes], file: Path) -> None:
    deadline = time.monotonic() + 120
    while not file.exists():
        assert process.poll() is None, "the run ended before the moment it should have been killed at"
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_killed_and_resumed_is_the_same_bytes(
    checkpoint: Path,
    write_items: Callable[[list[dict[str, Any]]], Path],
    rows: list[dict[str, Any]],
    tmp_path: Path,
) -> None:
    many = [{**row, "id": f"{row['id']}-{copy}"} for copy in range(4) for row in rows]
    items = write_items(many)
    whole = tmp_path / "whole"
    reference = start(checkpoint, items, whole)
    killed = tmp_path / "killed"
    for moment in MOMENTS:
        kill_when(start(checkpoint, items, killed), killed / "tiny__toy" / moment)
        assert not data.read_manifest(killed / "tiny__toy").finished
    assert reference.wait() == 0
    assert start(checkpoint, items, killed).wait() == 0
    files = sorted(path.name for path in (whole / "tiny__toy").iterdir())
    assert files == sorted(path.name for path in (killed / "tiny__toy").iterdir())
    for name in files:
        assert (whole / "tiny__toy" / name).read_bytes() == (killed / "tiny__toy" / name).read_bytes(), name
    assert data.validate_run(killed / "tiny__toy") == []
