"""Intervals over items: how much the atoms would change with other items of the same kind.

The solved I_q has a bias that depends on the number of rows: V = I_q - (I1 + I2)/2 falls with n, roughly as n^-1/2 if
both sources have the same law. The default interval removes most of it with solutions of random halves; the uncorrected
one is an interval for the expected value at this n (docs/method.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy import special

from pid_jax.estimators.exact.over_items.influence import influence_values
from pid_jax.estimators.exact.over_items.parts import Part, known_groups, number_groups, random_parts, reached
from pid_jax.estimators.exact.problem import REACHED, ExactProblem, ExactSolution, solve_problems
from pid_jax.estimators.exact.rows import Marginals
from pid_jax.information import AtomsInBits, InformationTerms, TermsInBits, atoms_from_terms
from pid_jax.setting import ArgumentError
from pid_lvlm.data.grouped_mean import grouped_mean

IntervalMethod: TypeAlias = Literal["items", "items-uncorrected"]

SPLITS: Final = 4
"""Random splits into halves; every item is in one half of each."""

ATTEMPTS: Final = 16
"""Maximum number of splits drawn; a split is dropped if a half cannot be brought to its P(Y)."""

FEWEST_STEPS, STEPS_PER_OPTION, MOST_STEPS = 2.0, 0.28, 4.0
"""How far V is extrapolated beyond the halves (`extrapolation`), measured at 2 to 10 options (docs/accuracy.md)."""

FEWEST_GROUPS: Final = 4
"""Minimum number of groups of items for an interval."""


@dataclass(frozen=True)
class ItemInterval:
    """Atoms in bits with an interval over items, or their difference between two models on the same items.

    Attributes:
        estimate: the atoms, bits; corrected for finite-sample bias unless `corrected` is False.
        low: lower end of the interval.
        high: upper end.
        standard_error: standard error of the estimate.
        terms: the information terms that belong to the estimate, bits.
        values: R, U1, U2, S of each item, bits; their weighted mean is the estimate, and their spread its uncertainty.
        weights: weights of the items; they sum to 1.
        groups: group number of each item; items of a group are not independent.
        level: share of samples whose interval should contain the truth.
        half_gap: half the width of the certified interval, bits, by which both ends are widened.
        corrected: whether half samples were used. If not, the interval is for the expected value at this n, either as
            requested or because halves of these items cannot be brought to their P(Y).
    """

    estimate: AtomsInBits
    low: AtomsInBits
    high: AtomsInBits
    standard_error: AtomsInBits
    terms: TermsInBits
    values: Float[np.ndarray, "n 4"]
    weights: Float[np.ndarray, " n"]
    groups: Int[np.ndarray, " n"]
    level: float
    half_gap: float
    corrected: bool

    def __repr__(self) -> str:
        atoms = (
            f"{name} {value:.3f} [{low:.3f}, {high:.3f}]"
            for name, value, low, high in zip(AtomsInBits._fields, self.estimate, self.low, self.high, strict=True)
        )
        kind = "large n" if self.corrected else "expected value at this n"
        return f"ItemInterval({', '.join(atoms)} bits; {self.level:.0%} over items, {kind})"


def item_intervals(
    problems: Sequence[ExactProblem],
    solutions: Sequence[ExactSolution],
    *,
    groups: Sequence[Shaped[np.ndarray, " _"] | None],
    method: IntervalMethod,
    tol_bits: float,
    marginals: Marginals = "tilt",
    seed: int = 0,
    level: float = 0.95,
    devices: int = 1,
) -> list[ItemInterval]:
    """Intervals of many problems; all their half samples are solved in one call.

    Args:
        problems: problems whose rows of both sources and of the pairs belong to the same items.
        solutions: their solutions.
        groups: for each problem, the group of each item; None if the items are independent.
        method: `items` corrects with half samples, `items-uncorrected` solves nothing.
        tol_bits: maximum width of the certified intervals of the half samples, bits.
        marginals: how the problems were reconciled; half samples of `as-given` are tilted.
        seed: seed of the splits, which depend only on it and on the problem's groups.
        level: level of the intervals.
        devices: on a CPU, number of half samples solved at a time.

    Raises:
        ArgumentError: the rows of a problem are not items, too few groups of them have weight, or a source of a problem
            does not have the P(Y) of the pairs.
    """
    labels = [_checked_groups(problem, own) for problem, own in zip(problems, groups, strict=True)]
    halves: list[list[Part]] = [[] for _ in problems]
    if method == "items":
        halves = [_halves(problem, own, marginals, seed) for problem, own in zip(problems, labels, strict=True)]
    solved = iter(solve_problems([half.problem for own in halves for half in own], tol_bits, devices))
    found = []
    for problem, solution, own, parts in zip(problems, solutions, labels, halves, strict=True):
        values = np.stack(influence_values(problem, solution, marginals), axis=-1)
        terms = np.array([solution.i1, solution.i2, solution.i12, solution.iq])
        if parts:
            half_values, half_terms = _means_of_halves(values, parts, [next(solved) for _ in parts], marginals)
            steps = extrapolation(problem)
            values, terms = _corrected(values, half_values, steps), _corrected(terms, half_terms, steps)
        terms[3] = terms[[0, 1, 3]].max()
        half_gap = solution.gap_bits / 2
        found.append(_around(values, terms, problem.weights, own, level, half_gap, corrected=bool(parts)))
    return found


def extrapolation(problem: ExactProblem) -> float:
    """The factor c by which V is extrapolated: V + c (V - mean of the halves).

    A bias of order 1/n needs c = 1, one of order n^-a needs 1 / (2^a - 1). If both sources have the same law, a falls
    with the number of options, from 0.47 at 4 to 0.32 at 10: c is 2.0, 2.3, 2.9, 3.4, 4.0 at 2, 4, 6, 8, 10 options.
    """
    options = int((problem.weights @ problem.p_y_x1x2 > 0).sum())
    return min(MOST_STEPS, max(FEWEST_STEPS, 1.2 + STEPS_PER_OPTION * options))


def paired_difference(first: ItemInterval, second: ItemInterval) -> ItemInterval:
    """Atoms of `first` minus those of `second` on the same items: two models, layers or checkpoints.

    Shared variation, such as hard items, cancels item by item, so the interval is usually narrower than for two
    independent samples.

    Raises:
        ArgumentError: the items, their weights or groups, the level or the correction differ.
    """
    if len(first.values) != len(second.values):
        raise ArgumentError("second", f"expected the {len(first.values)} items of first, found {len(second.values)}")
    for name in ("weights", "groups", "level", "corrected"):
        if not np.allclose(getattr(first, name), getattr(second, name), rtol=1e-9, atol=0):
            raise ArgumentError("second", f"expected the same {name} as in first")
    terms = TermsInBits(*(a - b for a, b in zip(first.terms, second.terms, strict=True)))
    values = first.values - second.values
    half_gap = first.half_gap + second.half_gap
    return interval_of_values(
        values, terms, first.weights, first.groups, first.level, half_gap, corrected=first.corrected
    )


def _checked_groups(problem: ExactProblem, groups: Shaped[np.ndarray, " _"] | None) -> Int[np.ndarray, " n"]:
    numbered = number_groups(problem, groups)
    count = len(known_groups(problem, numbered))
    if count < FEWEST_GROUPS:
        raise ArgumentError("groups", f"expected at least {FEWEST_GROUPS} groups of items, found {count}")
    if problem.residual > REACHED:
        raise ArgumentError("marginals", "a source does not have the P(Y) of the pairs, so the atoms are not defined")
    return numbered


def _halves(problem: ExactProblem, groups: Int[np.ndarray, " n"], marginals: Marginals, seed: int) -> list[Part]:
    """Both halves of each split; none at all if too few splits can be reconciled."""
    splits: list[list[Part]] = []
    count = len(known_groups(problem, groups))
    sizes = (count - count // 2, count // 2)
    for attempt in range(ATTEMPTS):
        split = random_parts(problem, groups, sizes, (seed, attempt), marginals)
        if reached(split):
            splits.append(split)
        if len(splits) == SPLITS:
            return [half for both in splits for half in both]
    return []


def _means_of_halves(
    values: Float[np.ndarray, "n 4"], halves: Sequence[Part], solutions: Sequence[ExactSolution], marginals: Marginals
) -> tuple[Float[np.ndarray, "n 4"], Float[np.ndarray, " 4"]]:
    """Mean value of each item over the halves that contain it, and mean terms of the halves, nats."""
    total, count, terms = np.zeros_like(values), np.zeros(len(values)), np.zeros(4)
    for half, solution in zip(halves, solutions, strict=True):
        total[half.rows] += np.stack(influence_values(half.problem, solution, marginals), axis=-1)
        count[half.rows] += 1
        terms += np.array([solution.i1, solution.i2, solution.i12, solution.iq]) / len(halves)
    return np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None], values), terms


def _corrected(
    whole: Float[np.ndarray, "*n 4"], half: Float[np.ndarray, "*n 4"], steps: float
) -> Float[np.ndarray, "*n 4"]:
    """I1, I2, I12 extrapolated for a bias of order 1/n, and V = I_q - (I1 + I2)/2 by `steps`."""
    to_v = np.array([-0.5, -0.5, 0.0, 1.0])
    found = 2 * whole - half
    v = whole @ to_v + steps * ((whole - half) @ to_v)
    found[..., 3] = v + (found[..., 0] + found[..., 1]) / 2
    return found


def _around(
    values: Float[np.ndarray, "n 4"],
    terms: Float[np.ndarray, " 4"],
    weights: Float[np.ndarray, " n"],
    groups: Int[np.ndarray, " n"],
    level: float,
    half_gap: float,
    *,
    corrected: bool,
) -> ItemInterval:
    """Converts values of the terms in nats to values of the atoms in bits whose mean is the estimate."""
    information = InformationTerms(*(float(term) for term in terms))
    atoms = np.stack(atoms_from_terms(InformationTerms(*values.T)).in_bits(), axis=-1)
    estimate = np.array(atoms_from_terms(information).in_bits())
    return interval_of_values(
        atoms + (estimate - weights @ atoms),
        information.in_bits(),
        weights,
        groups,
        level,
        half_gap,
        corrected=corrected,
    )


def interval_of_values(
    values: Float[np.ndarray, "n 4"],
    terms: TermsInBits,
    weights: Float[np.ndarray, " n"],
    groups: Int[np.ndarray, " n"],
    level: float,
    half_gap: float,
    *,
    corrected: bool,
) -> ItemInterval:
    """Student's interval of the weighted mean, treating group sums as independent and widened by the gap."""
    estimate = weights @ values
    count = len(np.unique(groups[weights > 0]))
    sums = np.zeros((groups.max() + 1, values.shape[1]))
    np.add.at(sums, groups, weights[:, None] * (values - estimate))
    error, freedom = grouped_mean(sums, count)
    reach = special.stdtrit(freedom, (1 + level) / 2) * error + half_gap
    low, high, middle, spread = (
        AtomsInBits(*map(float, side)) for side in (estimate - reach, estimate + reach, estimate, error)
    )
    return ItemInterval(middle, low, high, spread, terms, values, weights, groups, level, half_gap, corrected)
