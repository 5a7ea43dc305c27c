"""What intervals over items cover: share of samples whose interval contains the large-n atoms.

    python -m benchmarks.coverage --options 2 4 6 --repetitions 200 --json

Every repetition draws items and solves all models of a family on them, so that differences between two models on the
same items are covered by the same solutions.
"""

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import describe_machine
from benchmarks.populations import GROUP, Family, Items, families
from pid_jax.estimators.exact.intervals import ItemInterval, item_intervals, paired_difference
from pid_jax.estimators.exact.problem import ExactProblem, GivenRows, solve_problems
from pid_jax.information import AtomsInBits

AT_ONCE = 10
"""Repetitions that are solved together."""

METHODS = ("items", "items-uncorrected")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--options", type=int, nargs="+", default=[2, 4, 6], help="numbers of options K")
    parser.add_argument("--families", nargs="+", default=["gaussian", "factor", "table"])
    parser.add_argument("--grouped", choices=["no", "yes", "both"], default="both")
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--rows", type=int, default=252, help="items of a sample")
    parser.add_argument("--tolerance", type=float, default=2e-3, help="width of the certified intervals, bits")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    started = time.process_time()
    cells = []
    for options in given.options:
        for name, family in families(options).items():
            if name in given.families:
                for grouped in {"no": (False,), "yes": (True,), "both": (False, True)}[given.grouped]:
                    for cell in study(
                        family, given.repetitions, given.rows, given.tolerance, given.seed, grouped=grouped
                    ):
                        cells.append({"options": options, "grouped": grouped, **cell})
    found = {
        "repetitions": given.repetitions,
        "rows": given.rows,
        "tolerance_bits": given.tolerance,
        "seed": given.seed,
        "cpu_seconds": round(time.process_time() - started, 1),
        "machine": describe_machine(["jax", "numpy"]),
        "cells": cells,
    }
    print(json.dumps(found) if given.json else "\n".join(map(_line, cells)))
    return 0


def study(
    family: Family, repetitions: int, rows: int, tol_bits: float, seed: int, *, grouped: bool
) -> list[dict[str, Any]]:
    """Coverage of every model of a family and of its differences, by method."""
    truth = {name: np.array(atoms) for name, atoms in family.truth().items()}
    groups = np.arange(rows) // GROUP if grouped else None
    found: dict[tuple[str, str], list[ItemInterval]] = {}
    for start in range(0, repetitions, AT_ONCE):
        samples = [
            family.draw((seed, repetition), rows, grouped=grouped)
            for repetition in range(start, min(start + AT_ONCE, repetitions))
        ]
        for method, by_name in _intervals(samples, groups, tol_bits).items():
            for first, second in family.differences:
                by_name[f"{first} - {second}"] = list(map(paired_difference, by_name[first], by_name[second]))
            for name, intervals in by_name.items():
                found.setdefault((method, name), []).extend(intervals)
    truth |= {f"{first} - {second}": truth[first] - truth[second] for first, second in family.differences}
    return [
        {"population": name, "method": method, **_summary(intervals, truth[name])}
        for (method, name), intervals in found.items()
    ]


def _intervals(
    samples: Sequence[dict[str, Items]], groups: NDArray | None, tol_bits: float
) -> dict[str, dict[str, list[ItemInterval]]]:
    """By method and model, the intervals of all samples."""
    names = list(samples[0])
    problems = []
    for name in names:
        for sample in samples:
            first, second, pair, _ = sample[name]
            rows = GivenRows(first, second, pair, np.full(len(pair), 1 / len(pair)))
            problems.append(ExactProblem.of(rows, "tilt"))
    solutions = solve_problems(problems, tol_bits)
    found = {}
    for method in METHODS:
        intervals = item_intervals(
            problems, solutions, groups=[groups] * len(problems), method=method, tol_bits=tol_bits
        )
        found[method] = {
            name: intervals[place * len(samples) : (place + 1) * len(samples)] for place, name in enumerate(names)
        }
    return found


def _summary(intervals: Sequence[ItemInterval], truth: NDArray) -> dict[str, Any]:
    """Coverage of the truth and of the mean estimate, bias, and half-width over 1.96 standard deviations."""
    low, high, estimate = (np.array([getattr(one, side) for one in intervals]) for side in ("low", "high", "estimate"))
    spread = estimate.std(axis=0, ddof=1)

    def by_atom(values: NDArray, digits: int) -> dict[str, float]:
        return {name: round(float(value), digits) for name, value in zip(AtomsInBits._fields, values, strict=True)}

    def covered(point: NDArray) -> dict[str, float]:
        return by_atom(((low <= point) & (point <= high)).mean(0), 4)

    return {
        "truth": by_atom(truth, 4),
        "covers_truth": covered(truth),
        "covers_expected_value": covered(estimate.mean(0)),
        "bias": by_atom(estimate.mean(0) - truth, 4),
        "half_width": by_atom((high - low).mean(0) / 2, 4),
        "width_ratio": by_atom((high - low).mean(0) / 2 / np.maximum(1.96 * spread, 1e-12), 3),
        "corrected": round(float(np.mean([one.corrected for one in intervals])), 4),
    }


def _line(cell: dict[str, Any]) -> str:
    covered = " ".join(f"{100 * share:5.1f}" for share in cell["covers_truth"].values())
    grouped = "groups" if cell["grouped"] else "      "
    return (
        f"K={cell['options']} {cell['population']:<22} {grouped} {cell['method']:<18} covers % (R U1 U2 S): {covered}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
