"""Atoms conditional on a row label C that both sources know, such as the number of options of an item.

    I(X;Y|C) = Σ_c P(c) I(X;Y|C=c),

and likewise for every atom: each stratum is a separate problem, with its own P(Y|C=c) to which its sources are brought,
and the results are averaged with the masses of the strata. Otherwise what C alone says about Y counts as information of
both sources: if 2, 3 and 4 options are equally likely, the number alone is worth 0.29 bits of redundancy.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
from jaxtyping import Float, Int, Shaped

from pid_jax.estimators.exact.over_items.intervals import (
    FEWEST_GROUPS,
    IntervalMethod,
    ItemInterval,
    interval_of_values,
    item_intervals,
)
from pid_jax.estimators.exact.pointwise import PointwiseAtoms, pointwise
from pid_jax.estimators.exact.problem import ExactProblem, ExactSolution, GivenRows, solve_problems
from pid_jax.estimators.exact.rows import Marginals
from pid_jax.information import AtomsInBits, TermsInBits
from pid_jax.setting import ArgumentError


@dataclass(frozen=True)
class Stratum:
    """The rows with one label.

    Attributes:
        rows: indices of the rows.
        mass: sum of their weights.
        problem: the problem of these rows alone, with weights that sum to 1.
    """

    rows: Int[np.ndarray, " m"]
    mass: float
    problem: ExactProblem


@dataclass(frozen=True)
class StratifiedProblem:
    """Problems whose results are averaged.

    Attributes:
        strata: the strata in order of their labels; those of mass 0 are left out.
        num_rows: number of rows of all strata, including those left out.
    """

    strata: tuple[Stratum, ...]
    num_rows: int

    @classmethod
    def single(cls, problem: ExactProblem) -> "StratifiedProblem":
        """One stratum with all rows."""
        rows = len(problem.weights)
        return cls((Stratum(np.arange(rows), 1.0, problem),), rows)

    @classmethod
    def of(cls, rows: GivenRows, marginals: Marginals) -> "StratifiedProblem":
        """Split the rows and reconcile each stratum separately.

        Args:
            rows: the measured rows.
            marginals: how to bring the sources to a stratum's P(Y).
        """
        return cls.split(rows, partial(ExactProblem.of, marginals=marginals))

    @classmethod
    def split(cls, rows: GivenRows, reconciled: Callable[[GivenRows], ExactProblem]) -> "StratifiedProblem":
        """Split the rows and apply a given function to each stratum.

        Args:
            rows: the measured rows.
            reconciled: makes a problem from a stratum; its weights sum to 1.
        """
        if rows.labels is None:
            return cls.single(reconciled(rows))
        strata = []
        for label in np.unique(rows.labels):
            own = np.flatnonzero(rows.labels == label)
            mass = float(rows.weights[own].sum())
            if mass > 0:
                first, second, pairs = (p[own] for p in rows.conditionals)
                part = GivenRows(first, second, pairs, rows.weights[own] / mass)
                strata.append(Stratum(own, mass, reconciled(part)))
        return cls(tuple(strata), len(rows.weights))

    def __iter__(self) -> Iterator[tuple[float, ExactProblem]]:
        """Mass and problem of every stratum."""
        return ((stratum.mass, stratum.problem) for stratum in self.strata)

    @property
    def marginal_mismatch(self) -> float:
        """Largest total variation between two of the three P(Y) of a stratum before they were reconciled."""
        return max(problem.marginal_mismatch for _, problem in self)

    @property
    def residuals(self) -> tuple[float, float]:
        """For each source, the largest remaining total variation to a stratum's P(Y)."""
        first, second = (max(problem.sources[i].residual for _, problem in self) for i in (0, 1))
        return first, second


@dataclass(frozen=True)
class StratifiedSolution(ExactSolution):
    """Averages over the strata, nats; `potentials` are those of each row in its stratum.

    The interval is certified: an average of lower bounds is a lower bound on the average.

    Attributes:
        parts: the solved strata.
    """

    parts: tuple[ExactSolution, ...]


def solve_stratified(
    problems: Sequence[StratifiedProblem], tol_bits: float, devices: int = 1
) -> list[StratifiedSolution]:
    """Solve all strata of all problems through one call of `solve_problems`.

    Args:
        problems: of any shapes, with any number of strata each.
        tol_bits: maximum width of the certified interval of each stratum, and so of each average, bits.
        devices: on a CPU, number of problems solved at a time.
    """
    solved = iter(solve_problems([part for problem in problems for _, part in problem], tol_bits, devices))
    return [_average(problem, tuple(next(solved) for _ in problem.strata)) for problem in problems]


def pointwise_stratified(problem: StratifiedProblem, solution: StratifiedSolution) -> PointwiseAtoms:
    """Atoms of each row within its stratum, bits; NaN if its weight is 0."""
    found = [pointwise(stratum.problem, part) for stratum, part in zip(problem.strata, solution.parts, strict=True)]
    values = []
    for field in fields(PointwiseAtoms):
        whole = np.full(problem.num_rows, np.nan)
        for stratum, part in zip(problem.strata, found, strict=True):
            whole[stratum.rows] = getattr(part, field.name)
        values.append(whole)
    return PointwiseAtoms(*values)


def stratified_intervals(
    problems: Sequence[StratifiedProblem],
    solutions: Sequence[StratifiedSolution],
    *,
    groups: Sequence[Shaped[np.ndarray, " _"] | None],
    method: IntervalMethod,
    tol_bits: float,
    marginals: Marginals = "tilt",
    seed: int = 0,
    devices: int = 1,
) -> list[ItemInterval]:
    """95 % intervals over items: `item_intervals` of every stratum, averaged.

    An item's stratum is random too: the values of all items together include both sources of variance.

    Raises:
        ArgumentError: see `item_intervals`; a stratum can have too few groups.
    """
    whole = [_numbered(problem, own) for problem, own in zip(problems, groups, strict=True)]
    found = iter(
        item_intervals(
            [part for problem in problems for _, part in problem],
            [part for solution in solutions for part in solution.parts],
            groups=[
                own[stratum.rows] for problem, own in zip(problems, whole, strict=True) for stratum in problem.strata
            ],
            method=method,
            tol_bits=tol_bits,
            marginals=marginals,
            seed=seed,
            devices=devices,
        )
    )
    return [
        _average_interval(problem, [next(found) for _ in problem.strata], own)
        for problem, own in zip(problems, whole, strict=True)
    ]


def enough_groups(problem: StratifiedProblem, groups: Shaped[np.ndarray, " _"] | None) -> bool:
    """Whether every stratum has enough groups of items for an interval."""
    own = _numbered(problem, groups)
    return all(len(np.unique(own[stratum.rows])) >= FEWEST_GROUPS for stratum in problem.strata)


def _numbered(problem: StratifiedProblem, groups: Shaped[np.ndarray, " _"] | None) -> Int[np.ndarray, " n"]:
    if groups is None:
        return np.arange(problem.num_rows)
    if groups.shape != (problem.num_rows,):
        raise ArgumentError(
            "groups", f"expected one group for each of {problem.num_rows} items, found shape {groups.shape}"
        )
    return np.unique(groups, return_inverse=True)[1].ravel()


def _average_interval(
    problem: StratifiedProblem, parts: Sequence[ItemInterval], groups: Int[np.ndarray, " n"]
) -> ItemInterval:
    if len(parts) == 1 and len(problem.strata[0].rows) == problem.num_rows:
        return parts[0]
    values, weights = np.zeros((problem.num_rows, len(AtomsInBits._fields))), np.zeros(problem.num_rows)
    for stratum, part in zip(problem.strata, parts, strict=True):
        values[stratum.rows], weights[stratum.rows] = part.values, stratum.mass * part.weights
    masses = [stratum.mass for stratum in problem.strata]
    terms = TermsInBits(*(float(np.dot(masses, term)) for term in zip(*(part.terms for part in parts), strict=True)))
    corrected = all(part.corrected for part in parts)
    half_gap = float(np.dot(masses, [part.half_gap for part in parts]))
    return interval_of_values(values, terms, weights, groups, parts[0].level, half_gap, corrected=corrected)


def _average(problem: StratifiedProblem, parts: tuple[ExactSolution, ...]) -> StratifiedSolution:
    masses = np.array([stratum.mass for stratum in problem.strata])
    masses = masses / masses.sum()
    means = {
        name: float(masses @ [getattr(part, name) for part in parts])
        for name in ("i1", "i2", "i12", "low", "high", "dual_low")
    }
    return StratifiedSolution(**means, potentials=_potentials(problem, parts), parts=parts)


def _potentials(
    problem: StratifiedProblem, parts: tuple[ExactSolution, ...]
) -> tuple[Float[np.ndarray, "n1 k"], Float[np.ndarray, "n2 k"]]:
    if len(parts) == 1 and len(problem.strata[0].rows) == problem.num_rows:
        return parts[0].potentials
    first, second = (np.zeros((problem.num_rows, parts[0].potentials[i].shape[1])) for i in (0, 1))
    for stratum, part in zip(problem.strata, parts, strict=True):
        first[stratum.rows], second[stratum.rows] = part.potentials
    return first, second
