"""Seconds of the exact estimator to a tolerance, compared with the method of multipliers used on accelerators.

Example: python -m benchmarks.exact --cases regimes layers --json
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from benchmarks.inputs.conditionals import REGIMES, problem
from benchmarks.measuring.machine import describe_machine, peak_host_bytes
from pid_jax.estimators.exact.rows import pad_rows, padded_size
from pid_jax.estimators.exact.solver.solve import Problem, solve_many
from pid_jax.estimators.exact.solver.stacks import solve_stack
from pid_lvlm.data.names import NATS_PER_BIT

LIBRARIES: Final = ("pid-lvlm", "jax", "jaxlib", "numpy", "scipy")
CASES: Final = ("regimes", "layers", "large", "huge")
LAYERS: Final = 32


def draw(case: str, options: int, rows: int) -> Iterator[tuple[str, list[Problem]]]:
    """The problems of a case, in named groups that are timed together."""
    if case == "regimes":
        yield from ((regime, [problem(regime, rows, options, seed)]) for seed, regime in enumerate(REGIMES))
    elif case == "layers":
        layered = [
            problem(("flat", "plain", "mixed", "sharp")[layer // 8], 1500, options, layer) for layer in range(LAYERS)
        ]
        yield "32 layers", layered
    else:
        yield case, [problem("plain", {"large": 4329, "huge": 20_000}[case], options, 0)]


def measure(name: str, problems: Sequence[Problem], given: argparse.Namespace) -> dict[str, Any]:
    """Wall and CPU seconds and the widest interval of one group."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = solve_many(problems, given.tol_bits, devices=given.devices)
    point = {
        "name": name,
        "rows": [len(part) for part in problems[0]],
        "wall_seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
        "gap_bits": max(one.high - one.low for one in found) / NATS_PER_BIT,
    }
    if given.baseline and len(problems) == 1:
        point |= _baseline(problems[0], given.tol_bits)
        point["ratio"] = point["baseline_cpu_seconds"] / point["cpu_seconds"]
    return point


def _baseline(one: Problem, tol_bits: float) -> dict[str, float]:
    """CPU seconds of the method of multipliers: second run, and first run with compilation."""
    stacked = [pad_rows(part, padded_size(len(part)))[None] for part in one]
    seconds = []
    for _ in range(2):
        start = time.process_time()
        bounds = solve_stack(*stacked, tol_bits)
        seconds.append(time.process_time() - start)
    return {
        "baseline_cpu_seconds": seconds[1],
        "baseline_first_cpu_seconds": seconds[0],
        "baseline_gap_bits": float(bounds.gap_bits[0]),
    }


def main(arguments: list[str] | None = None) -> int:
    """Print one line per group, then medians, the maximum and the machine."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.exact", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", nargs="+", choices=CASES, default=["regimes"], help="default: every regime")
    parser.add_argument("--tol-bits", type=float, default=1e-3, help="maximum width of the intervals")
    parser.add_argument("--rows", type=int, default=1083, help="rows of the case `regimes`")
    parser.add_argument("--options", type=int, default=4)
    parser.add_argument("--devices", type=int, default=2, help="problems solved at a time")
    parser.add_argument(
        "--baseline", action="store_true", help="also run the method of multipliers on the same problems"
    )
    parser.add_argument("--json", action="store_true", help="one JSON line in all instead of one per group")
    given = parser.parse_args(arguments)
    found = []
    for case in given.cases:
        for name, problems in draw(case, given.options, given.rows):
            found.append({"case": case, **measure(name, problems, given)})
            if not given.json:
                print(json.dumps(found[-1]), flush=True)
    summary = {
        quantity: {"median": float(np.median(values)), "worst": float(np.max(values))}
        for quantity in ("wall_seconds", "cpu_seconds", "gap_bits")
        for values in [[one[quantity] for one in found]]
    }
    machine = {**describe_machine(LIBRARIES), "peak_bytes": peak_host_bytes()}
    print(
        json.dumps({"benchmark": "exact", **summary, "points": found, **machine} if given.json else summary | machine)
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
