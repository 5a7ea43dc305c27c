"""Intervals over items for crossed pairs, where an item is both a picture and a question.

The marginals of crossed pairs agree by construction, so the terms change with the weight of a pair (i, j) by

    i_q = ⟨p, log A_i + log B_j - log π⟩    i_1 = ⟨p, log p1_i - log π⟩    (i_2 alike)    i_12 = ⟨p, log p - log π⟩,

with p = p(y|i, j) and the dual point A, B. Two pairs are dependent if they share an item, in either of its roles: the
variance is that of sums over all pairs that involve an item, minus what is counted twice (dyadic clustering, Aronow,
Samii and Assenova, 2015). Items of one group, such as those with one picture, count as one.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy import special

from pid_jax.estimators.exact.crossed.pairs import CrossedPairs, CrossedSolution
from pid_jax.estimators.exact.penalty.bounds import xlogx
from pid_jax.estimators.exact.problem import ExactProblem, ExactSolution
from pid_jax.information import AtomsInBits, InformationTerms, atoms_from_terms


def pair_values(solution: CrossedSolution, pairs: int) -> Float[np.ndarray, "p 4"]:
    """Change of I1, I2, I12 and I_q with the weight of each pair, nats; 0 for pairs not in the problem.

    Args:
        solution: solution for the pairs.
        pairs: number of pairs.
    """
    values = np.zeros((pairs, 4))
    for stratum, part in zip(solution.strata, solution.parts, strict=True):
        values[stratum.pairs] = _values(stratum.problem, part)
    return values


def _values(problem: ExactProblem, solution: ExactSolution) -> Float[np.ndarray, "p 4"]:
    p, rows = problem.p_y_x1x2, problem.rows_of_pairs
    surprise = p @ _log(problem.weights @ p)
    first, second = ((p * _log(source.p)[row]).sum(1) for source, row in zip(problem.sources, rows, strict=True))
    dual = sum((p * _log(x)[row]).sum(1) for x, row in zip(solution.potentials, rows, strict=True))
    return np.stack([first, second, xlogx(p).sum(1), dual], axis=1) - surprise[:, None]


def _log(x: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    return np.log(np.where(x > 0, x, 1.0))


def corrected_values(
    whole: Float[np.ndarray, "p 4"], of_halves: Sequence[Float[np.ndarray, "p 4"]]
) -> Float[np.ndarray, "p 4"]:
    """Values extrapolated from the halves, 2 whole - half; every pair is in one half of every split.

    The jackknifed entropies have no values of their own; these values have the spread of the corrected atoms
    (docs/accuracy.md).
    """
    return 2 * whole - np.mean(of_halves, axis=0) if of_halves else whole


def atom_values(terms: Float[np.ndarray, "p 4"]) -> Float[np.ndarray, "p 4"]:
    """Values of the terms, nats, as values of the atoms, bits."""
    return np.stack(atoms_from_terms(InformationTerms(*terms.T)).in_bits(), axis=1)


def standard_errors(
    values: Float[np.ndarray, "p a"], pairs: CrossedPairs, groups: Int[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " a"], int]:
    """Standard errors of the means over the pairs, and the number of groups of items.

    Args:
        values: values of each pair.
        pairs: the items of each pair.
        groups: group number of each item.
    """
    n, m = pairs.partner.shape
    first, second = np.repeat(groups, m), groups[pairs.partner.ravel()]
    deviation = values - values.mean(0)
    count = len(np.unique(groups))
    touching = np.zeros((int(groups.max()) + 1, values.shape[1]))
    np.add.at(touching, first, deviation)
    np.add.at(touching, second[second != first], deviation[second != first])
    apart = second != first
    low, high = np.minimum(first, second)[apart], np.maximum(first, second)[apart]
    _, dyad = np.unique(low * (int(groups.max()) + 1) + high, return_inverse=True)
    twice = np.zeros((int(dyad.max()) + 1 if len(dyad) else 1, values.shape[1]))
    np.add.at(twice, dyad.ravel(), deviation[apart])
    doubled = (twice**2).sum(0)
    variance = np.maximum((touching**2).sum(0) - doubled, doubled)
    return np.sqrt(count / max(count - 1, 1) * variance) / len(values), count


def interval(
    estimate: AtomsInBits, errors: Float[np.ndarray, " a"], count: int, half_gap: float, level: float = 0.95
) -> tuple[AtomsInBits, AtomsInBits]:
    """Student's interval of the atoms in bits, widened at each end by half the certified interval."""
    reach = special.stdtrit(count - 1, (1 + level) / 2) * errors + half_gap
    low, high = np.array(estimate) - reach, np.array(estimate) + reach
    return AtomsInBits(*map(float, low)), AtomsInBits(*map(float, high))
