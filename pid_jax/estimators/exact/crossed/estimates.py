"""Crossed problems solved together: certified atoms, corrected ones, and their intervals over items."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Int

from pid_jax.estimators.exact.crossed.bias import corrected_terms, half_columns
from pid_jax.estimators.exact.crossed.intervals import (
    atom_values,
    corrected_values,
    interval,
    pair_values,
    standard_errors,
)
from pid_jax.estimators.exact.crossed.pairs import (
    CrossedPairs,
    CrossedSolution,
    CrossedStratum,
    crossed_strata,
    solve_crossed,
)
from pid_jax.estimators.exact.over_items.intervals import FEWEST_GROUPS
from pid_jax.information import AtomsInBits, InformationTerms, TermsInBits, atoms_from_terms
from pid_lvlm.data.names import NATS_PER_BIT

CrossedInterval: TypeAlias = Literal["items", "items-uncorrected", "none"]


@dataclass(frozen=True)
class CrossedGiven:
    """A crossed problem as measured.

    Attributes:
        pairs: the answers.
        labels: (n,) stratum of each question; None: one stratum.
        groups: (n,) group number of each item.
    """

    pairs: CrossedPairs
    labels: Int[np.ndarray, " n"] | None
    groups: Int[np.ndarray, " n"]


@dataclass(frozen=True)
class CrossedItems:
    """Atoms in bits with a 95 % interval over items; each item is a picture and a question.

    Attributes:
        estimate: the atoms; corrected for their 1/M bias unless `corrected` is False.
        low: lower end of the interval.
        high: upper end.
        standard_error: standard error of the estimate.
        terms: the information terms that belong to the estimate.
        corrected: whether halves of the questions were used; False with fewer than four questions per picture.
    """

    estimate: AtomsInBits
    low: AtomsInBits
    high: AtomsInBits
    standard_error: AtomsInBits
    terms: TermsInBits
    corrected: bool


@dataclass(frozen=True)
class CrossedPoint:
    """Midpoints of the certified atoms with the first `pairs` questions of every picture, bits."""

    pairs: int
    atoms: AtomsInBits


def estimate_crossed(
    given: Sequence[CrossedGiven], *, tol_bits: float, method: CrossedInterval = "items", devices: int = 1
) -> list[tuple[CrossedSolution, CrossedItems | None]]:
    """Solve many crossed problems and their halves in one call.

    Args:
        given: the problems.
        tol_bits: maximum width of the certified intervals, bits.
        method: `items` corrects the 1/M bias, `items-uncorrected` does not; `none` gives no interval.
        devices: on a CPU, number of problems solved at a time.

    Returns:
        The optimum of every problem, and its interval; None if none was requested or there are too few groups.
    """
    columns = [half_columns(one.pairs.partner.shape[1], 0) if method == "items" else [] for one in given]
    problems: list[tuple[CrossedStratum, ...]] = []
    for one, chosen in zip(given, columns, strict=True):
        problems += [crossed_strata(one.pairs, one.labels)]
        problems += [crossed_strata(one.pairs.columns(half), one.labels) for half in chosen]
    solved = solve_crossed(problems, tol_bits, devices)
    ends = pairwise(accumulate((1 + len(chosen) for chosen in columns), initial=0))
    return [
        (solved[start], _items(one, solved[start], solved[start + 1 : end], chosen, method))
        for one, chosen, (start, end) in zip(given, columns, ends, strict=True)
    ]


def curve_over_pairs(given: CrossedGiven, tol_bits: float) -> list[CrossedPoint]:
    """Uncorrected atoms with 2, 4, 8, … and all questions per picture, to show the remaining bias."""
    most = given.pairs.partner.shape[1]
    sizes = [*(2**power for power in range(1, most.bit_length()) if 2**power < most), most]
    solved = solve_crossed([crossed_strata(given.pairs.columns(range(m)), given.labels) for m in sizes], tol_bits)
    return [CrossedPoint(m, atoms_in_bits(solution.terms)) for m, solution in zip(sizes, solved, strict=True)]


def atoms_in_bits(terms: Float[np.ndarray, " 4"]) -> AtomsInBits:
    """Atoms in bits, from I1, I2, I12 and I_q in nats."""
    return atoms_from_terms(InformationTerms(*map(float, terms))).in_bits()


def _items(
    given: CrossedGiven,
    whole: CrossedSolution,
    of_halves: Sequence[CrossedSolution],
    columns: Sequence[Int[np.ndarray, " c"]],
    method: CrossedInterval,
) -> CrossedItems | None:
    if method == "none" or len(np.unique(given.groups)) < FEWEST_GROUPS:
        return None
    n, m = given.pairs.partner.shape
    values = pair_values(whole, n * m)
    if of_halves:
        values = corrected_values(values, _in_whole(of_halves, columns, n, m))
    terms = corrected_terms(whole, of_halves)
    estimate = atoms_in_bits(terms)
    errors, count = standard_errors(atom_values(values), given.pairs, given.groups)
    low, high = interval(estimate, errors, count, (whole.high - whole.low) / NATS_PER_BIT / 2)
    return CrossedItems(
        estimate,
        low,
        high,
        AtomsInBits(*map(float, errors)),
        InformationTerms(*map(float, terms)).in_bits(),
        corrected=bool(of_halves),
    )


def _in_whole(
    of_halves: Sequence[CrossedSolution], columns: Sequence[Int[np.ndarray, " c"]], n: int, m: int
) -> list[Float[np.ndarray, "p 4"]]:
    """Values of every pair in its half, one array per split."""
    splits = []
    for first in range(0, len(of_halves), 2):
        values = np.zeros((n, m, 4))
        for solution, chosen in zip(of_halves[first : first + 2], columns[first : first + 2], strict=True):
            values[:, chosen] = pair_values(solution, n * len(chosen)).reshape(n, len(chosen), 4)
        splits.append(values.reshape(-1, 4))
    return splits
