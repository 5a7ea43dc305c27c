"""Coverage of intervals over items: share of samples whose interval contains the large-n atoms.

    python -m benchmarks.coverage --options 2 4 6 --repetitions 200 --keep coverage.jsonl

Each repetition draws items and solves all models of a family on them, so the same solutions also give the coverage of
differences between two models on the same items. With `--keep`, results are written to a file every few repetitions;
the same command resumes after an interruption, and one with more repetitions adds to them. A file belongs to one
version of the code. Progress and time left are on standard error, the rows of docs/accuracy.md (or `--json`) on
standard output.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.inputs.populations import GROUP, Family, Items, families
from benchmarks.measuring.kept import Kept
from benchmarks.measuring.machine import describe_machine
from pid_jax.estimators.exact.over_items.intervals import ItemInterval, item_intervals, paired_difference
from pid_jax.estimators.exact.problem import ExactProblem, GivenRows, solve_problems
from pid_jax.information import AtomsInBits

AT_ONCE = 10
"""Repetitions that are solved together."""

METHODS = ("items", "items-uncorrected")

SHARES = (90, 98)
"""Coverage in % outside of these is set in bold."""

Batch: TypeAlias = dict[str, dict[str, list[list[float]]]]
"""By method and population, one row per repetition: low, high and estimate of the four atoms, and `corrected`."""


@dataclass(frozen=True)
class Sampling:
    """How samples are drawn and solved.

    Attributes:
        repetitions: samples per population.
        rows: items per sample.
        tol_bits: width of the certified intervals, bits.
        seed: seed of the samples.
    """

    repetitions: int
    rows: int
    tol_bits: float
    seed: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--options", type=int, nargs="+", default=[2, 4, 6], help="numbers of options K")
    parser.add_argument("--families", nargs="+", default=["table", "uneven", "factor", "gaussian"])
    parser.add_argument("--grouped", choices=["no", "yes", "both"], default="both")
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--rows", type=int, default=252, help="items per sample")
    parser.add_argument("--tolerance", type=float, default=2e-3, help="width of the certified intervals, bits")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, metavar="FILE", help="resume from this file, and add to it")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    started = time.process_time()
    sampling = Sampling(given.repetitions, given.rows, given.tolerance, given.seed)
    kept = Kept(given.keep)
    chosen = [
        (options, name, families(options)[name], grouped)
        for name in given.families
        for options in given.options
        if name in families(options)
        for grouped in {"no": (False,), "yes": (True,), "both": (False, True)}[given.grouped]
    ]
    left = _TimeLeft([len(family.models) * options for options, _, family, _ in chosen])
    cells = []
    for place, (options, name, family, grouped) in enumerate(chosen):
        label = {"options": options, "family": name, "grouped": grouped}

        def told(share: float, place: int = place, label: dict[str, Any] = label) -> None:
            left.tell(place, share, f"cell {place + 1} of {len(chosen)} {tuple(label.values())}")

        found = study(family, sampling, grouped=grouped, label=label, kept=kept, told=told)
        cells += [{**label, **cell} for cell in found]
    if given.json:
        found = {
            "repetitions": given.repetitions,
            "rows": given.rows,
            "tolerance_bits": given.tolerance,
            "seed": given.seed,
            "cpu_seconds": round(time.process_time() - started, 1),
            "machine": describe_machine(["jax", "numpy"]),
            "cells": cells,
        }
        print(json.dumps(found))
    else:
        print("\n".join(table(cells)))
    return 0


class _TimeLeft:
    """Reports on standard error how much of the work is done, weighted by relative cost."""

    def __init__(self, costs: Sequence[float]) -> None:
        self._costs = costs
        self._done = 0.0
        self._computed = 0.0
        self._last = time.monotonic()
        self._seconds = 0.0

    def tell(self, place: int, share: float, what: str) -> None:
        """Report the share of the cell that is done; a negative share was kept from an earlier command."""
        done = sum(self._costs[:place]) + self._costs[place] * abs(share)
        now = time.monotonic()
        if share > 0:
            self._computed += done - self._done
            self._seconds += now - self._last
        self._done, self._last = done, now
        text = f"{what}: {abs(share):.0%}"
        if self._computed:
            minutes = self._seconds / self._computed * (sum(self._costs) - done) / 60
            text += f", about {minutes:.0f} min left in total"
        print(text, file=sys.stderr)


def _quiet(_: float) -> None:
    """Say nothing."""


def study(
    family: Family,
    sampling: Sampling,
    *,
    grouped: bool,
    label: dict[str, Any] | None = None,
    kept: Kept | None = None,
    told: Callable[[float], None] = _quiet,
) -> list[dict[str, Any]]:
    """Coverage for every model of a family and for its differences, by method.

    Args:
        family: populations drawn together.
        sampling: how samples are drawn and solved.
        grouped: whether items share source 1 in groups, with intervals by group.
        label: identifies the family in `kept`.
        kept: samples solved before, and where to keep new ones.
        told: called with the share that is done, negative if it was kept.
    """
    kept = Kept(None) if kept is None else kept
    truth = {name: np.array(atoms) for name, atoms in family.truth().items()}
    truth |= {f"{first} - {second}": truth[first] - truth[second] for first, second in family.differences}
    found: Batch = {}
    for start in range(0, sampling.repetitions, AT_ONCE):
        stop = min(start + AT_ONCE, sampling.repetitions)
        key = {
            **(label or {}),
            "rows": sampling.rows,
            "tolerance": sampling.tol_bits,
            "seed": sampling.seed,
            "repetitions": [start, stop],
        }
        batch: Batch | None = kept.get(key)
        was_kept = batch is not None
        if batch is None:
            batch = _solved(family, sampling, range(start, stop), grouped=grouped)
            kept.add(key, batch)
        told((-1 if was_kept else 1) * stop / sampling.repetitions)
        for method, by_name in batch.items():
            for name, rows in by_name.items():
                found.setdefault(method, {}).setdefault(name, []).extend(rows)
    return [
        {"population": name, "method": method, **_summary(np.array(rows), truth[name])}
        for method, by_name in found.items()
        for name, rows in by_name.items()
    ]


def _solved(family: Family, sampling: Sampling, repetitions: range, *, grouped: bool) -> Batch:
    """Intervals for all models and differences, for some repetitions."""
    groups = np.arange(sampling.rows) // GROUP if grouped else None
    samples = [family.draw((sampling.seed, repetition), sampling.rows, grouped=grouped) for repetition in repetitions]
    found: Batch = {}
    for method, by_name in _intervals(samples, groups, sampling.tol_bits).items():
        for first, second in family.differences:
            by_name[f"{first} - {second}"] = list(map(paired_difference, by_name[first], by_name[second]))
        found[method] = {
            name: [[*one.low, *one.high, *one.estimate, float(one.corrected)] for one in intervals]
            for name, intervals in by_name.items()
        }
    return found


def _intervals(
    samples: Sequence[dict[str, Items]], groups: NDArray | None, tol_bits: float
) -> dict[str, dict[str, list[ItemInterval]]]:
    """The intervals of all samples, by method and model."""
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


def _summary(found: NDArray, truth: NDArray) -> dict[str, Any]:
    """Coverage of the truth and of the mean estimate, bias, and half-width divided by 1.96 standard deviations."""
    low, high, estimate, corrected = np.split(found, [4, 8, 12], axis=1)
    spread = estimate.std(axis=0, ddof=1)

    def by_atom(values: NDArray, digits: int) -> dict[str, float]:
        return {name: round(float(value), digits) for name, value in zip(AtomsInBits._fields, values, strict=True)}

    def covered(point: NDArray) -> dict[str, float]:
        return by_atom(((low <= point) & (point <= high)).mean(0), 4)

    return {
        "samples": len(found),
        "truth": by_atom(truth, 4),
        "covers_truth": covered(truth),
        "covers_expected_value": covered(estimate.mean(0)),
        "bias": by_atom(estimate.mean(0) - truth, 4),
        "half_width": by_atom((high - low).mean(0) / 2, 4),
        "width_ratio": by_atom((high - low).mean(0) / 2 / np.maximum(1.96 * spread, 1e-12), 3),
        "corrected": round(float(corrected.mean()), 4),
    }


def table(cells: Sequence[dict[str, Any]]) -> list[str]:
    """Rows of the table in docs/accuracy.md: populations by K and groups, then differences."""
    by_place: dict[tuple[bool, int, bool, str], dict[str, dict[str, Any]]] = {}
    for cell in cells:
        place = (" - " in cell["population"], cell["options"], cell["grouped"], cell["population"])
        by_place.setdefault(place, {})[cell["method"]] = cell
    head = ["population", "K", "groups", "samples", "R", "U1", "U2", "S"]
    head += ["uncorrected, lowest to highest", "bias, largest (bits)", "width ratio"]
    lines = [_joined(head), _joined(["---"] * len(head))]
    for (_, options, grouped, name), by_method in sorted(by_place.items()):
        cell, other = (by_method[method] for method in METHODS)
        uncorrected = [100 * share for share in other["covers_truth"].values()]
        ratios = cell["width_ratio"].values()
        lines.append(
            _joined(
                [
                    name,
                    str(options),
                    str(GROUP) if grouped else "",
                    str(cell["samples"]),
                    *map(_percent, cell["covers_truth"].values()),
                    f"{min(uncorrected):.0f}-{max(uncorrected):.0f}",
                    f"{max(cell['bias'].values(), key=abs):+.3f}",
                    f"{min(ratios):.2f}-{max(ratios):.2f}",
                ]
            )
        )
    return lines


def _joined(entries: Sequence[str]) -> str:
    return f"| {' | '.join(entries)} |"


def _percent(share: float) -> str:
    percent = round(100 * share)
    return str(percent) if SHARES[0] <= percent <= SHARES[1] else f"**{percent}**"


if __name__ == "__main__":
    raise SystemExit(main())
