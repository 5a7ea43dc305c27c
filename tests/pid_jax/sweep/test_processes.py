"""Work that is interrupted or divided: killed and started again, two processes at once, one part after another."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pid_jax.cli.main import main
from pid_lvlm.data.names import ATOMS

PROGRAM = "from pid_jax.cli.main import main; main()"
SETTINGS = (
    *(
        "--batch-size",
        "32",
        "--epochs",
        "60",
        "--seeds",
        "2",
        "--hidden",
        "4",
        "--hidden-layers",
        "1",
        "--estimator",
        "batch",
    ),
    *("--memory-budget", "1KB", "--devices", "1"),
)
"""So little memory that every run is a chunk of its own, saved before the next, and fits run one after another."""

QUICK_TO_COMPILE = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


@pytest.fixture(scope="module")
def runs(tmp_path_factory, make_run) -> Path:
    root = tmp_path_factory.mktemp("processes")
    make_run(root / "one", "synergy", n=120, d=6, layers=2)
    make_run(root / "two", "language", n=121, d=6, layers=2)
    return root


@pytest.fixture(scope="module")
def start(runs, tmp_path_factory) -> Callable[..., subprocess.Popen[str]]:
    """Start the command in a process of its own; all share a folder of compiled programs."""
    environment = {**os.environ, "XLA_FLAGS": QUICK_TO_COMPILE, "OMP_NUM_THREADS": "1"}
    cache = tmp_path_factory.mktemp("compiled")

    def start(out: Path, *more: str) -> subprocess.Popen[str]:
        arguments = [str(runs), "--out", str(out), "--cache", str(cache), *SETTINGS, *more]
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments], env=environment, stderr=subprocess.PIPE, text=True
        )

    return start


@pytest.fixture(scope="module")
def whole(start, tmp_path_factory) -> pl.DataFrame:
    """The table of an uninterrupted estimate."""
    out = tmp_path_factory.mktemp("whole") / "results.parquet"
    finish(start(out))
    return pl.read_parquet(out)


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    said = process.communicate(timeout=300)[1]
    assert process.returncode == code, said
    return said


def tables(folder: Path) -> list[str]:
    """Names of the result tables in a folder."""
    return sorted(path.name for path in folder.glob("*.parquet"))


def assert_same(found: Path, whole: pl.DataFrame) -> None:
    assert_frame_equal(pl.read_parquet(found).drop("seconds"), whole.drop("seconds"), check_exact=True)


@pytest.mark.slow  # tests/hostile kills faster and at more points
def test_killed_and_resumed_is_the_same_table(start, whole, tmp_path):
    out = tmp_path / "results.parquet"
    process = start(out)
    deadline = time.monotonic() + 300
    while not out.exists() or pl.read_parquet(out).is_empty():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    saved = pl.read_parquet(out)
    assert 0 < len(saved) < len(whole) == 4
    said = finish(start(out))
    assert re.search(rf"{4 - len(saved)} problems? to fit \(\d+ fits\), {len(saved)} already in", said)
    assert_same(out, whole)
    kept = pl.read_parquet(out).filter(pl.col("problem_id").is_in(saved["problem_id"].to_list()))
    assert_frame_equal(kept, saved, check_row_order=False)


@pytest.mark.slow
def test_two_devices_give_the_same_numbers(start, whole, tmp_path):
    out = tmp_path / "results.parquet"
    said = finish(start(out, "--devices", "2", "--verbose"))
    assert "1 fit side by side on each of 2 devices" in said
    numbers = ["problem_id", *(f"{atom}_raw" for atom in ATOMS), "loss_last"]
    assert_frame_equal(pl.read_parquet(out)[numbers], whole[numbers], check_exact=False, abs_tol=1e-5, rel_tol=0)


@pytest.mark.slow
def test_two_processes_share_the_work(start, whole, tmp_path):
    out = tmp_path / "results.parquet"
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    together = ("--distributed", "--coordinator", address, "--processes", "2", "--process")
    both = [start(out, *together, str(number)) for number in (0, 1)]
    said = [finish(process) for process in both]
    assert all("2 problems to fit" in text for text in said)
    assert tables(tmp_path) == ["results.parquet"]
    assert_same(out, whole)


@pytest.fixture
def in_part(runs, monkeypatch, capsys) -> Callable[..., str]:
    """Run the command in this process; what it says."""

    def run(out: Path, *more: str) -> str:
        monkeypatch.setattr("sys.argv", ["pid-estimate", str(runs), "--out", str(out), *SETTINGS, *more])
        with pytest.raises(SystemExit) as left:
            main()
        assert not left.value.code
        return capsys.readouterr().err

    return run


@pytest.mark.usefixtures("no_fitting")
def test_parts_one_after_another(in_part, whole, tmp_path):
    out = tmp_path / "results.parquet"
    for part in ("1/2", "2/2"):
        assert "2 problems to fit" in in_part(out, "--part", part)
    assert tables(tmp_path) == [
        "results.part-1-of-2.parquet",
        "results.part-2-of-2.parquet",
    ]
    assert "0 problems to fit (0 fits), 4 already in" in in_part(out)
    assert tables(tmp_path) == ["results.parquet"]
    names = ["problem_id", "run", "layer", "seeds", "result"]
    assert_frame_equal(pl.read_parquet(out)[names], whole[names])
