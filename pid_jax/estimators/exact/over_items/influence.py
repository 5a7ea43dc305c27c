"""Influence values: how much the information terms change with the weight of one item.

With p1', p2' the reconciled rows, π = P(Y), and A, B the dual point of the solution (log A := 0 where A is 0), the
values of item s are (nats)

    i_q(s)  = ⟨q1, log A⟩ + ⟨q2, log B⟩ - ⟨p12, log π⟩ + ⟨p12 - q1, h1⟩ + ⟨p12 - q2, h2⟩
    i_1(s)  = ⟨q1, log p1'⟩ - ⟨p12, log π⟩ + ⟨p12 - q1, k1⟩                    (i_2 alike)
    i_12(s) = ⟨p12, log p12⟩ - ⟨p12, log π⟩,

where q is the mass of the reconciled row per unit of the item's weight (p' itself if the rows are tilted). h and k are
the item's effect on the reconciliation of all rows, for f = log A and f = log p1':

    tilt      C⁺ Σ_i w_i p'_i ∘ (f_i - ⟨p'_i, f_i⟩)   with   C = Σ_i w_i (diag p'_i - p'_i p'_iᵀ)
    rescale   Σ_i P_iy f_iy / π_y                      with the joint masses P.

The constraints of the dual do not depend on the weights, so its optimal value changes only through the objective. The
weighted mean of the values is the term itself; for I_q, the lower bound at the dual point. Moving one factor per label
from B to A changes nothing.
"""

from typing import Final

import numpy as np
from jaxtyping import Float

from pid_jax.estimators.exact.problem import ExactProblem, ExactSolution
from pid_jax.estimators.exact.rows import Marginals, Reconciled
from pid_jax.information import InformationTerms

RANK: Final = 1e-10
"""Eigenvalues of C below this share of the largest count as 0: those of (1, ..., 1) and of labels that never occur."""


def influence_values(problem: ExactProblem, solution: ExactSolution, marginals: Marginals) -> InformationTerms:
    """The values of every item, (n,) each, nats.

    Args:
        problem: a problem whose rows of both sources and of the pairs belong to the same items.
        solution: its solution.
        marginals: how the problem was reconciled; `as-given` is the tilt by 0.
    """
    p_y = problem.weights @ problem.p_y_x1x2
    surprise = problem.p_y_x1x2 @ _log(p_y)
    sources = problem.sources
    coupling = sum(
        _value(problem, source, _log(potential), marginals)
        for source, potential in zip(sources, solution.potentials, strict=True)
    )
    first, second = (_value(problem, source, _log(source.p), marginals) for source in sources)
    pairs = (problem.p_y_x1x2 * _log(problem.p_y_x1x2)).sum(1)
    return InformationTerms(first - surprise, second - surprise, pairs - surprise, coupling - surprise)


def _value(
    problem: ExactProblem, source: Reconciled, f: Float[np.ndarray, "n k"], marginals: Marginals
) -> Float[np.ndarray, " n"]:
    """⟨q, f⟩ + ⟨p12 - q, h⟩ of every item."""
    if marginals == "rescale":
        share = np.divide(source.weights, problem.weights, out=np.ones_like(source.weights), where=problem.weights > 0)
        q = source.p * share[:, None]
        mean = problem.weights @ q
        h = np.divide(problem.weights @ (q * f), mean, out=np.zeros_like(mean), where=mean > 0)
    else:
        q = source.p
        h = _response(q, problem.weights, f)
    return (q * f).sum(1) + (problem.p_y_x1x2 - q) @ h


def _response(
    p: Float[np.ndarray, "n k"], weights: Float[np.ndarray, " n"], f: Float[np.ndarray, "n k"]
) -> Float[np.ndarray, " k"]:
    """Change of Σ w ⟨p', f⟩ with P(Y), through the tilt of the rows."""
    weighted = weights[:, None] * p
    slope = (weighted * (f - (p * f).sum(1, keepdims=True))).sum(0)
    spread = np.diag(weighted.sum(0)) - weighted.T @ p
    return np.linalg.pinv(spread, rcond=RANK, hermitian=True) @ slope


def _log(x: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    return np.log(np.where(x > 0, x, 1.0))
