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
from tests.extract.console import Command

MOMENTS = ("manifest.json", "shard-00002.npz")
"""The process is killed as soon as this file is there: before the statistics, and between shards of a resumed run."""
SETTINGS = ("--batch-size", "1", "--shard-size", "2", "--layers", "last", "--quiet")


def start(checkpoint: Path, items: Path, out: Path) -> subprocess.Popen[bytes]:
    program = "from pid_lvlm.extract.cli.main import main; main()"
    arguments = ["--model", str(checkpoint), "--data", str(items), "--out", str(out), *SETTINGS]
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
    command: Command,
    checkpoint: Path,
    write_items: Callable[[list[dict[str, Any]]], Path],
    rows: list[dict[str, Any]],
    tmp_path: Path,
) -> None:
    many = [{**row, "id": f"{row['id']}-{copy}"} for copy in range(2) for row in rows]
    items = write_items(many)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for moment in MOMENTS:
        kill_when(start(checkpoint, items, killed), killed / "tiny__toy" / moment)
        assert not data.read_manifest(killed / "tiny__toy").finished
    for out in (whole, killed):
        assert command("--model", checkpoint, "--data", items, "--out", out, *SETTINGS)[0] == 0
    files = sorted(path.name for path in (whole / "tiny__toy").iterdir())
    assert files == sorted(path.name for path in (killed / "tiny__toy").iterdir())
    for name in files:
        assert (whole / "tiny__toy" / name).read_bytes() == (killed / "tiny__toy" / name).read_bytes(), name
    assert data.validate_run(killed / "tiny__toy") == []
