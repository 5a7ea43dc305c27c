"""Seconds of `pid-estimate` on runs with many layers, in a fresh process, including reading and compilation.

Several numbers of rows make a run each, like benchmarks of different size. Arguments after `--` are passed to
`pid-estimate`. Example: python -m benchmarks.layers --layers 32 --seeds 5 --json
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring.machine import describe_machine
from pid_lvlm import data

COMMAND = "from pid_jax.cli.main import main; main()"


def write_layers(folder: Path, rows: int, given: argparse.Namespace) -> Path:
    """A run whose answer is the synergy of two codes, with layers growing from chance to certainty."""
    rng = np.random.default_rng(given.seed)
    k = given.options
    first, second = rng.integers(0, k, rows), rng.integers(0, k, rows)
    answers = (first + second) % k
    both = np.eye(k)[answers]
    certainty = np.linspace(0.2, 0.95, given.layers)[None, :, None]
    flat = rng.dirichlet(np.full(k, 20.0), size=(3, rows, given.layers))
    p = np.stack([certainty * both[:, None, :] + (1 - certainty) * flat[0], flat[1], flat[2], flat[2]], axis=1)
    codes = rng.normal(size=(2, k, given.features))
    noise = rng.normal(size=(2, rows, given.features))
    return data.write_run(
        folder / f"run-{rows}", model="layers", dataset="synthetic", loglik=np.log(p), x1=codes[0][first] + noise[0],
        x2=codes[1][second] + noise[1], label=answers,
    )  # fmt: skip


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Write the run, time the command, and return the line to print."""
    with tempfile.TemporaryDirectory() as scratch:
        runs = [str(write_layers(Path(scratch), rows, given)) for rows in given.rows]
        table = Path(scratch) / "results.parquet"
        options = ["--seeds", str(given.seeds), "--quiet", *given.options_of_command]
        started = time.perf_counter()
        command = [sys.executable, "-c", COMMAND, *runs, "--out", str(table), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(done.stderr)
    return {
        "benchmark": "layers",
        **{name: getattr(given, name) for name in ("layers", "seeds", "rows", "features", "options")},
        "options_of_command": given.options_of_command,
        "fits": len(runs) * given.layers * given.seeds,
        "seconds": seconds,
        **describe_machine(("pid-lvlm", "jax", "jaxlib", "ott-jax")),
    }


def main(arguments: list[str] | None = None) -> int:
    """Print the seconds."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.layers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in {"layers": 32, "seeds": 5, "features": 512, "options": 4, "seed": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rows", type=int, nargs="+", default=[1500], help="rows of each run; default one of 1500")
    parser.add_argument("--json", action="store_true", help="one line instead of one field per line")
    parser.add_argument("options_of_command", nargs="*", metavar="OPTION", help="options of pid-estimate, after --")
    given = parser.parse_args(arguments)
    print(json.dumps(measure(given), indent=None if given.json else 2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
