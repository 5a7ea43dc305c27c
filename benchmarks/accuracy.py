"""Error and cost of estimators of the BROJA atoms: exact, BATCH, dit and a conic solver.

The truth is a closed form, the demo world's ground truth or, for random rows, the narrowest certified interval found by
the solvers. BATCH gets 1024 rows, each repeated according to its weight, with the logarithms of its own probabilities
as features. Seconds are CPU seconds without compilation.

Example: python -m benchmarks.accuracy --quick --json
"""

import argparse
import itertools
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import dit
import numpy as np
import polars as pl
from dit.pid import PID_BROJA
from numpy.typing import NDArray

import pid_jax
from benchmarks.baselines.conic import BITS_PER_NAT, conic_optimum
from benchmarks.inputs.accuracy_problems import StudyProblem, known_problems, random_problem
from benchmarks.measuring.machine import describe_machine

LIBRARIES: Final = ("pid-lvlm", "jax", "jaxlib", "ott-jax", "numpy", "scipy", "dit", "cvxpy-base", "clarabel")
KINDS_OVER_OPTIONS: Final = ("flat", "plain", "sharp")
KINDS_AT_FOUR: Final = ("half uniform", "missing options")
MOST_CONES: Final = 20_000
"""Maximum entries of a coupling for the conic solver: about 3 CPU seconds."""
MOST_OUTCOMES: Final = 64
"""Maximum entries of a coupling for dit: about ten CPU seconds per start."""
DIT_STARTS: Final = 2
"""Starts of dit, which starts at random and sometimes stops early."""
LEAST_PROBABILITY: Final = 1e-4
"""Lower bound of a feature, before its logarithm."""


class Outcome(NamedTuple):
    """One estimator's result for one problem, bits; `low` and `high` are NaN if it certifies nothing."""

    estimator: str
    i_coupling: float
    low: float
    high: float
    atoms: tuple[float, ...]
    seconds: float


def study(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Rows of the study, one problem after another."""
    warm: set[Any] = set()
    for problem in _problems(given):
        print(f"{problem.part}: {problem.name}, {problem.options} options, {problem.rows} rows", file=sys.stderr)
        yield from _compared(problem, list(_outcomes(problem, warm)))


def _problems(given: argparse.Namespace) -> Iterator[StudyProblem]:
    known = list(known_problems())
    yield from (known[:2] + known[-1:] if given.quick else known)
    cells = [*itertools.product(KINDS_OVER_OPTIONS, (2, 4, 6)), *((kind, 4) for kind in KINDS_AT_FOUR)]
    cells, sizes = ([("plain", 4)], (4, 24)) if given.quick else (cells, (4, 32, 512))
    for rows, (kind, options), draw in itertools.product(sizes, cells, range(given.draws)):
        yield random_problem(kind, rows, options, given.seed + draw)


def _outcomes(problem: StudyProblem, warm: set[Any]) -> Iterator[Outcome]:
    for tolerance in (1e-3, 1e-4):
        yield _exact(problem, tolerance)
    for preset in ("paper", "default"):
        yield _batch(problem, preset, warm)
    cells = len(problem.masses[0]) * len(problem.masses[1]) * problem.options
    if cells <= MOST_CONES:
        found, seconds = _timed(lambda: conic_optimum(*problem.masses))
        yield Outcome("conic", found.value, found.low, found.high, (), seconds)
    if cells <= MOST_OUTCOMES:
        for start in range(DIT_STARTS):
            value, seconds = _timed(lambda start=start: _dit_coupling(*problem.masses, start))
            yield Outcome("dit", value, np.nan, np.nan, (), seconds)


def _exact(problem: StudyProblem, tolerance: float) -> Outcome:
    def solve() -> pid_jax.ExactDecomposition:
        return pid_jax.exact(*problem.sources, problem.pairs, problem.weights, tol_bits=tolerance, marginals="as-given")

    solve()  # compiles
    found, seconds = _timed(solve)
    low, high = found.i_coupling_low_bits, found.i_coupling_high_bits
    return Outcome(f"exact {tolerance:.0e}", (low + high) / 2, low, high, tuple(found.middle), seconds)


def _batch(problem: StudyProblem, preset: str, warm: set[Any]) -> Outcome:
    rows = problem.items()
    features = [np.log(np.maximum(p, LEAST_PROBABILITY)) for p in rows[:2]]
    config = pid_jax.make_config(preset)

    def fit() -> pid_jax.Decomposition:
        return pid_jax.decompose(*rows, *features, config)

    if (preset, problem.options) not in warm:
        warm.add((preset, problem.options))
        fit()
    found, seconds = _timed(fit)
    return Outcome(f"BATCH {preset}", found.terms.iq_y_x1x2, np.nan, np.nan, tuple(found.raw), seconds)


def _dit_coupling(first: NDArray, second: NDArray, start: int) -> float:
    """I_q of dit's BROJA in bits, on the table where the sources are independent given the label."""
    p_y = first.sum(0)
    table = first[:, None] * second[None] / np.where(p_y > 0, p_y, 1)
    cells = np.argwhere(table > 0)
    names = ["".join(map(chr, 97 + cell)) for cell in cells]
    np.random.seed(start)  # noqa: NPY002  its optimiser draws from numpy's global generator
    with warnings.catch_warnings(action="ignore"):
        found = PID_BROJA(dit.Distribution(names, table[tuple(cells.T)]))
        return float(found[((0,),)]) + _information(second)


def _information(masses: NDArray) -> float:
    """I(X;Y), bits."""
    parts = [(x * np.log(np.where(x > 0, x, 1))).sum() for x in (masses, masses.sum(1), masses.sum(0))]
    return float(parts[0] - parts[1] - parts[2]) * BITS_PER_NAT


def _compared(problem: StudyProblem, outcomes: list[Outcome]) -> Iterator[dict[str, Any]]:
    """Every outcome against the truth."""
    i1, i2 = map(_information, problem.masses)
    if problem.atoms is None:
        low = float(np.nanmax([one.low for one in outcomes]))
        high = float(np.nanmin([one.high for one in outcomes]))
    else:
        low = high = i1 + i2 - problem.atoms[0]
    truth = (low + high) / 2
    atoms = problem.atoms or (i1 + i2 - truth, truth - i2, truth - i1)  # synergy has the same error as redundancy
    for one in outcomes:
        excess = one.i_coupling - truth
        errors = [abs(a - b) for a, b in zip(one.atoms, atoms, strict=False)] if one.atoms else [abs(excess)]
        yield {
            "part": problem.part,
            "problem": problem.name,
            "options": problem.options,
            "rows": problem.rows,
            "estimator": one.estimator,
            "excess_bits": excess,
            "atom_error_bits": max(errors),
            "gap_bits": None if np.isnan(one.high) else one.high - one.low,
            "cpu_seconds": one.seconds,
            "truth_width_bits": high - low,
        }


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    started = time.process_time()
    found = call()
    return found, time.process_time() - started


def summary(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Median and largest error and seconds, and the largest gap, for each kind of problem and estimator."""
    keys = ["part", "problem", "options", "rows", "estimator"]
    return (
        pl.DataFrame(rows, infer_schema_length=None)
        .group_by(keys, maintain_order=True)
        .agg(
            pl.len().alias("n"),
            pl.col("excess_bits").min().alias("least_excess"),
            pl.col("excess_bits").max().alias("largest_excess"),
            pl.col("atom_error_bits").median().alias("median_error"),
            pl.col("atom_error_bits").max().alias("largest_error"),
            pl.col("gap_bits").max().alias("largest_gap"),
            pl.col("cpu_seconds").median().alias("median_seconds"),
            pl.col("cpu_seconds").max().alias("largest_seconds"),
            pl.col("truth_width_bits").max().alias("truth_width"),
        )
    )


def main(arguments: list[str] | None = None) -> int:
    """Print the study."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accuracy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=3, help="random problems per kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a few problems only, one draw: about a minute")
    parser.add_argument("--json", action="store_true", help="one line with every row instead of a table")
    given = parser.parse_args(arguments)
    if given.draws < 1:
        parser.error(f"--draws: expected at least 1, found {given.draws}")
    given.draws = 1 if given.quick else given.draws
    rows = list(study(given))
    table = summary(rows)
    if given.json:
        found = {"benchmark": "accuracy", "draws": given.draws, "seed": given.seed, "quick": given.quick}
        print(json.dumps({**found, "rows": rows, "summary": table.to_dicts(), **describe_machine(LIBRARIES)}))
    else:
        with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=200, tbl_hide_dataframe_shape=True):
            print(table.with_columns(pl.col(pl.Float64).round_sig_figs(2)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
