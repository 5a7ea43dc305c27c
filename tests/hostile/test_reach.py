"""What the commands reach: no network unless asked, no file outside the output, the cache and the temporary folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import CHECKPOINT, ROOT

pytestmark = pytest.mark.slow  # three commands, each with its libraries

WATCHED = """
import sys, os
log = open(sys.argv.pop(1), "a")
def note(*what):
    print(*what, sep="\\t", file=log, flush=True)
def hook(event, given):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        note("network", event, given[-1] if event != "socket.connect" else given[1])
    elif event == "open":
        path, mode, flags = given
        if isinstance(path, (str, bytes)) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
            note("write", os.path.realpath(os.fsdecode(path)))
    elif event in ("os.mkdir", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod"):
        if event in ("os.remove", "os.rmdir") and given[-1] != -1:
            return  # a name in a folder that is open, whose own removal is noted
        note("write", os.path.realpath(os.fsdecode(given[1] if event in ("os.symlink", "os.link") else given[0])))
    elif event == "os.rename":
        note("write", os.path.realpath(os.fsdecode(given[0])))
        note("write", os.path.realpath(os.fsdecode(given[1])))
sys.addaudithook(hook)
from importlib import import_module
import_module(sys.argv.pop(1)).main()
"""
"""A program that runs a command's module and notes what it reaches."""

SHAPE = (
    "--seeds",
    "1",
    "--epochs",
    "1",
    "--batch-size",
    "8",
    "--hidden",
    "4",
    "--hidden-layers",
    "1",
    "--layers",
    "last",
)


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[str]]]:
    """Folder of a tiny extraction, estimate and report, and what the three commands reached."""
    base = tmp_path_factory.mktemp("reach")
    out, home, notes = base / "out", base / "home", base / "notes"
    for folder in (home, base / "tmp", base / "cache"):
        folder.mkdir()
    card = ROOT / "data/demo/items/fusion.toml"
    commands = (
        ("pid_lvlm.extract.cli.main", "--model", CHECKPOINT, "--data", card, "--limit", "24", "--out", out / "runs"),
        ("pid_jax.cli.main", out / "runs", "--out", out / "r.parquet", "--cache", base / "cache", *SHAPE),
        ("pid_lvlm.analysis.cli", out / "r.parquet", "--out", out / "report", "--format", "svg"),
    )
    allowed = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    environment = allowed | {"HOME": str(home), "TMPDIR": str(base / "tmp"), "PYTHONPATH": str(ROOT)}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-c", WATCHED, notes, *map(str, command)],
            cwd=base,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    return base, [line.split("\t") for line in notes.read_text().splitlines()]


def test_no_command_opens_a_connection(reached):
    assert [what for kind, *what in reached[1] if kind == "network"] == []


def test_nothing_is_written_outside(reached):
    base, notes = reached
    hashes = base / "home" / ".cache" / "pid-lvlm"
    allowed = (hashes, base / "out", base / "cache", base / "tmp", Path("/dev"), Path("/proc/self"), base / ".out.lock")
    written = {Path(what[0]) for kind, *what in notes if kind == "write"}
    assert any(path.is_relative_to(base / "out" / "runs") for path in written)
    assert any(path.is_relative_to(base / "out" / "report") for path in written)
    outside = [path for path in written if not any(path.is_relative_to(each) for each in allowed)]
    # Libraries make their cache folders in a home that has none: they are empty.
    assert [path for path in outside if not (path.is_relative_to(base / "home") and path.is_dir())] == []
