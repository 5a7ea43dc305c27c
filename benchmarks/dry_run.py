"""Seconds of `pid-extract --dry-run` and `pid-estimate --dry-run` in fresh processes, including imports.

The ratios compare CPU seconds with those of the imports alone. Example: python -m benchmarks.dry_run --items 1000
--runs 500 --json
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.measuring.machine import describe_machine
from pid_lvlm import data

ROOT: Final = Path(__file__).parent.parent
DEMO: Final = ROOT / "data" / "demo"
MODEL: Final = DEMO / "checkpoints" / "llava-tiny" / "tune-4000"
EXTRACT: Final = "from pid_lvlm.extract.cli.main import main; main()"
EXTRACT_IMPORTS: Final = (
    "import pid_lvlm.extract.run.jobs, pid_lvlm.extract.run.extract_run, pid_lvlm.extract.models.load\n"
    "from transformers import AutoProcessor, LlavaForConditionalGeneration, LlavaProcessor"
)
ESTIMATE: Final = "from pid_jax.cli.main import main; main()"
ESTIMATE_IMPORTS: Final = "import pid_jax.cli.job, jax; jax.local_devices()"


def write_items(folder: Path, count: int) -> Path:
    """The demo's items, repeated under other names."""
    with (DEMO / "items" / "fusion.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in islice(file, 200)]
    path = folder / "items.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            file.write(json.dumps(rows[number % len(rows)] | {"id": f"item-{number}"}) + "\n")
    return path


def write_runs(folder: Path, count: int, rows: int, layers: int) -> Path:
    """Runs of noise, of two shapes."""
    rng = np.random.default_rng(0)
    for number in range(count):
        options = 3 + number % 2
        scores = np.log(rng.dirichlet(np.ones(options), size=(rows, 4, layers)))
        features = rng.normal(size=(2, rows, 16))
        data.write_run(
            folder / f"run-{number}", model=f"model-{number}", dataset="toy", loglik=scores, x1=features[0],
            x2=features[1], label=rng.integers(0, options, rows),
        )  # fmt: skip
    return folder


@dataclass(frozen=True)
class Taken:
    """Wall-clock seconds, and CPU seconds, which depend little on other load."""

    wall: float
    cpu: float


def time_process(program: str, arguments: Sequence[object], repeat: int) -> Taken:
    """Median over some fresh processes."""
    taken = []
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for _ in range(repeat):
        before, started = os.times(), time.perf_counter()
        command = [sys.executable, "-c", program, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        wall, after = time.perf_counter() - started, os.times()
        if done.returncode:
            raise SystemExit(done.stderr)
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        taken.append(Taken(wall, cpu))
    return Taken(statistics.median(one.wall for one in taken), statistics.median(one.cpu for one in taken))


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Time both commands and return the line to print."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        items = write_items(folder, given.items)
        runs = write_runs(folder / "runs", given.runs, given.rows, given.layers)
        extract = ["--model", MODEL, "--data", items, "--out", folder / "out", "--dry-run", "--quiet"]
        estimate = [runs, "--out", folder / "results.parquet", "--dry-run", "--quiet", "--cache", "off"]
        found = {
            "extract": time_process(EXTRACT, extract, given.repeat),
            "extract_imports": time_process(EXTRACT_IMPORTS, [], given.repeat),
            "estimate": time_process(ESTIMATE, estimate, given.repeat),
            "estimate_imports": time_process(ESTIMATE_IMPORTS, [], given.repeat),
        }
    return {
        "benchmark": "dry_run",
        **{name: getattr(given, name) for name in ("items", "runs", "rows", "layers", "repeat")},
        **{f"{name}_seconds": round(taken.wall, 2) for name, taken in found.items()},
        **{f"{name}_cpu_seconds": round(taken.cpu, 2) for name, taken in found.items()},
        "extract_ratio": round(found["extract"].cpu / found["extract_imports"].cpu, 3),
        "estimate_ratio": round(found["estimate"].cpu / found["estimate_imports"].cpu, 3),
        **describe_machine(("pid-lvlm", "jax", "torch", "transformers")),
    }


def main(arguments: list[str] | None = None) -> int:
    """Print the seconds."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.dry_run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in {"items": 1000, "runs": 500, "rows": 400, "layers": 4, "repeat": 3}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", action="store_true", help="one line instead of one field per line")
    given = parser.parse_args(arguments)
    print(json.dumps(measure(given), indent=None if given.json else 2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
