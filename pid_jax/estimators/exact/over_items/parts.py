"""Problems for subsets of the items: random parts by group, each reconciled with its own P(Y)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped

from pid_jax.estimators.exact.problem import REACHED, ExactProblem
from pid_jax.estimators.exact.rows import Marginals, Reconciled, reconcile
from pid_jax.setting import ArgumentError


@dataclass(frozen=True)
class Part:
    """A problem for some of the items.

    Attributes:
        rows: indices of its items in the whole problem.
        problem: the problem of these items alone.
    """

    rows: Int[np.ndarray, " m"]
    problem: ExactProblem


def number_groups(problem: ExactProblem, groups: Shaped[np.ndarray, " _"] | None) -> Int[np.ndarray, " n"]:
    """Groups as numbers from 0, in order of appearance; without groups, each item is its own group.

    Raises:
        ArgumentError: the rows of the problem are not items, or a group is missing for some of them.
    """
    n = len(problem.weights)
    if {len(source.p) for source in problem.sources} != {n}:
        raise ArgumentError("p_x1x2y", "the rows of a table are not items; intervals over items need conditionals")
    if groups is None:
        return np.arange(n)
    if groups.shape != (n,):
        raise ArgumentError("groups", f"expected one group for each of {n} items, found shape {groups.shape}")
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse.ravel()]


def known_groups(problem: ExactProblem, groups: Int[np.ndarray, " n"]) -> Int[np.ndarray, " g"]:
    """Groups with at least one item of positive weight."""
    return np.unique(groups[problem.weights > 0])


def random_parts(
    problem: ExactProblem,
    groups: Int[np.ndarray, " n"],
    sizes: Sequence[int],
    entropy: Sequence[int],
    marginals: Marginals,
) -> list[Part]:
    """Disjoint random parts with the given numbers of groups; items of weight 0 are in none.

    They depend on the entropy, the groups and the sizes, but not on the probabilities.
    """
    rng = np.random.default_rng(np.random.SeedSequence(list(entropy)))
    order = rng.permutation(known_groups(problem, groups))
    known = problem.weights > 0
    parts = np.split(order, np.cumsum(sizes))[: len(sizes)]
    rows = (np.flatnonzero(np.isin(groups, chosen) & known) for chosen in parts)
    return [Part(chosen, _subset(problem, chosen, marginals)) for chosen in rows]


def reached(parts: Sequence[Part]) -> bool:
    """Whether the sources of every part have the P(Y) of its pairs."""
    return all(part.problem.residual <= REACHED for part in parts)


def _subset(problem: ExactProblem, rows: Int[np.ndarray, " m"], marginals: Marginals) -> ExactProblem:
    """Some of the rows, reconciled with their own P(Y).

    The rows of the whole problem are already reconciled, which changes nothing: a tilt of a tilt is a tilt, and the
    same holds for factors. `reconcile` gets all rows, the others with weight 0, so that parts of any size share one
    program.
    """
    inside = np.isin(np.arange(len(problem.weights)), rows)

    def within(weights: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        masked = np.where(inside, weights, 0.0)
        return masked / masked.sum()

    weights = within(problem.weights)
    target = weights @ problem.p_y_x1x2
    how: Marginals = "rescale" if marginals == "rescale" else "tilt"
    first, second = (reconcile(source.p, within(source.weights), target, how) for source in problem.sources)
    sources = (_take(first, rows), _take(second, rows))
    return ExactProblem(sources, problem.p_y_x1x2[rows], weights[rows], problem.marginal_mismatch)


def _take(source: Reconciled, rows: Int[np.ndarray, " m"]) -> Reconciled:
    return Reconciled(source.p[rows], source.weights[rows], source.residual)
