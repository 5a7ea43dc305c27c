"""Seconds to open many run folders and to read one, compared with plain json, zipfile and numpy without checks.

Example: python -m benchmarks.opening --runs 500 --json
"""

import argparse
import json
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.measuring.machine import describe_machine
from pid_lvlm.data import outline_run, read_run, write_run
from pid_lvlm.data.files import sha256_of_file
from pid_lvlm.data.names import MANIFEST_FILE, POOLINGS

LIBRARIES: Final = ("numpy", "pydantic")


def make_run(folder: Path, rows: int, width: int, seed: int) -> Path:
    """A run of noise with every pooling, in one shard."""
    rng = np.random.default_rng(seed)
    features = {pooling: rng.standard_normal((rows, width), dtype=np.float32) for pooling in POOLINGS}
    scores = np.log(rng.dirichlet(np.ones(4), size=(rows, 4)))
    return write_run(folder, model="m", dataset="d", loglik=scores, x1=features, x2=features)


def open_plainly(folder: Path) -> None:
    """The manifest as JSON, and the table of contents of every shard."""
    json.loads((folder / MANIFEST_FILE).read_text())
    for shard in folder.glob("shard-*.npz"):
        with zipfile.ZipFile(shard) as archive:
            archive.infolist()


def read_plainly(folder: Path) -> None:
    """Every array of every shard."""
    for shard in folder.glob("shard-*.npz"):
        with np.load(shard, allow_pickle=False) as archive:
            dict(archive)


def hash_files(folder: Path) -> None:
    """SHA-256 of every shard."""
    for shard in folder.glob("shard-*.npz"):
        with shard.open("rb") as file:
            sha256_of_file(file)


def seconds(work: Callable[[Path], object], folders: Sequence[Path], repeat: int) -> float:
    """The fastest of several repetitions."""
    times = []
    for _ in range(repeat):
        started = time.perf_counter()
        for folder in folders:
            work(folder)
        times.append(time.perf_counter() - started)
    return min(times)


def main(arguments: list[str] | None = None) -> int:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.opening", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--rows", type=int, default=2000, help="rows of the run to read")
    parser.add_argument("--features", type=int, default=4096, help="features of the run to read")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON line (the only form)")
    given = parser.parse_args(arguments)
    root = Path(tempfile.mkdtemp())
    try:
        print(json.dumps(measure(root, given) | describe_machine(LIBRARIES)))
    finally:
        shutil.rmtree(root)
    return 0


def measure(root: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Opening many small runs, and reading a large one."""
    runs = [make_run(root / f"run{number}", 20, 8, number) for number in range(given.runs)]
    large = [make_run(root / "large", given.rows, given.features, 0)]
    size = sum(path.stat().st_size for path in large[0].iterdir()) / 1e9
    opening, plain_opening = (seconds(work, runs, given.repeat) for work in (outline_run, open_plainly))
    works = {"read": read_run, "plain_read": read_plainly, "hash": hash_files}
    reading = {name: seconds(work, large, given.repeat) for name, work in works.items()}
    return {
        "benchmark": "opening",
        "runs": given.runs,
        "open_seconds": opening,
        "plain_open_seconds": plain_opening,
        "open_ratio": opening / plain_opening,
        "read_gigabytes": size,
        **{f"{name}_gigabytes_per_second": size / taken for name, taken in reading.items()},
        "read_ratio": reading["read"] / reading["plain_read"],
    }


if __name__ == "__main__":
    raise SystemExit(main())
