"""Seconds per problem, varying one size at a time: problems, rows, features, options, and layers that share features.

Example: python -m benchmarks.scaling --json
"""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any, Final

from benchmarks.estimate import LIBRARIES, split_cpu, time_ours
from benchmarks.inputs.problems import make_stack
from benchmarks.measuring.machine import describe_machine
from pid_jax.config import FitSettings

BASE: Final = {"problems": 16, "rows": 1500, "features": 512, "options": 4}
SIZES: Final = {
    "problems": (1, 4, 16, 64),
    "rows": (1500, 3000, 6000),
    "features": (64, 512, 4096),
    "options": (2, 4, 8),
    "layers": (1, 8, 32),
}


def measure(given: argparse.Namespace, devices: int, name: str, size: int) -> dict[str, Any]:
    """One point: everything as in `BASE` except `name`. Layers are problems that share their features."""
    layered = name == "layers"
    sizes = BASE | {"problems" if layered else name: size}
    drawn = argparse.Namespace(**sizes, epochs=given.epochs, seed=given.seed, feature_sets=1 if layered else None)
    stack = make_stack(drawn)
    timed = time_ours(stack, given.repeat, FitSettings(), devices)
    return {
        "varied": name,
        **sizes,
        "layers_share_features": layered,
        "steps": int(timed.summary.loss.shape[1]),
        "seconds_per_problem": timed.seconds / sizes["problems"],
        "compile_seconds": timed.compile_seconds,
    }


def points(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """All sizes of the requested kinds."""
    devices = split_cpu(given.devices)
    for name in given.vary or SIZES:
        for size in SIZES[name][: given.points]:
            yield measure(given, devices, name, size)


def main(arguments: list[str] | None = None) -> int:
    """Print one line per point, then the machine."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vary", nargs="+", choices=list(SIZES), help="sizes to vary; default all")
    parser.add_argument("--points", type=int, help="only the first points of each")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--repeat", type=int, default=2, help="runs per point; the fastest counts")
    parser.add_argument("--devices", type=int, help="devices that share the fits; default one per CPU core, or one GPU")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="a single JSON line instead of one per point")
    given = parser.parse_args(arguments)
    found = []
    for point in points(given):
        found.append(point)
        if not given.json:
            print(json.dumps(point), flush=True)
    machine = describe_machine(LIBRARIES)
    print(json.dumps({"benchmark": "scaling", "points": found, **machine} if given.json else machine))
    return 0


if __name__ == "__main__":
    sys.exit(main())
