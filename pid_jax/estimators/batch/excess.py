"""The certified minimum loss of any coupling on a fit's test batches; BATCH's loss minus this is its excess.

On a batch of n rows, BATCH's coupling is Q_ijy = p1(y|i)/n q(j|i,y), and its loss is I_Q(Y;X1,X2) - I_Q(Y;X1). Q has
the marginals P = p1/n of source 1 and the label, and, by the projection, R of source 2 and the label: the columns of
p(y|x2), each scaled to the label's mass in P. The certified optimum of the exact estimator for P and R is the least
I_Q(Y;X1,X2) with these marginals. Hence

    excess = loss - (optimum - I(P)) ≥ 0

up to the error of the projection (`sinkhorn_threshold`) and the 1e-8 in the loss's logarithms. The excess is part of
BATCH's U1 and U2, and is missing from its R and S.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from pid_jax.estimators.batch.sinkhorn import MARGINAL_FLOOR
from pid_jax.estimators.exact.problem import information
from pid_jax.estimators.exact.rows import MergedRows, merge_rows
from pid_jax.estimators.exact.solver.solve import solve_many
from pid_jax.problems.splits import EvaluationBatches


@dataclass(frozen=True)
class MeasuredRows:
    """What the optimum of a fit's test batches depends on: not on features, pooling or network weights.

    Attributes:
        p_y_x1: conditionals of the source that anchors the loss, all rows.
        p_y_x2: conditionals of the other source.
        batches: the fit's test batches.
    """

    p_y_x1: Float[np.ndarray, "n k"]
    p_y_x2: Float[np.ndarray, "n k"]
    batches: EvaluationBatches


class LeastLoss(NamedTuple):
    """Certified bounds on the least loss, averaged over the test batches like the fit's own loss, nats."""

    low: float
    high: float


def least_losses(fits: Sequence[MeasuredRows], tol_bits: float, devices: int = 1) -> list[LeastLoss]:
    """Certified least losses of many fits, through one call of `solve_many`.

    Args:
        fits: one per problem and split; fits that differ only in pooling or weight seed share one.
        tol_bits: maximum width of the interval of each batch, bits.
        devices: on a CPU, number of batches solved at a time.
    """
    masses, sizes = [], []
    for one in fits:
        first, second = (p.astype(np.float64) for p in (one.p_y_x1, one.p_y_x2))
        for rows, mask in zip(one.batches.rows, one.batches.mask, strict=True):
            masses.append(batch_masses(first[rows], second[rows], mask))
            sizes.append(int(mask.sum()))
    optima = solve_many(masses, tol_bits, devices=devices)
    bounds = [(found.low - own, found.high - own) for found, own in zip(optima, map(_anchored, masses), strict=True)]
    ends = np.cumsum([0, *(len(one.batches.rows) for one in fits)])
    losses = []
    for start, end in zip(ends[:-1], ends[1:], strict=True):
        low, high = np.average(bounds[start:end], axis=0, weights=sizes[start:end])
        losses.append(LeastLoss(float(low), float(high)))
    return losses


def batch_masses(
    p_y_x1: Float[np.ndarray, "c k"], p_y_x2: Float[np.ndarray, "c k"], mask: Bool[np.ndarray, " c"]
) -> tuple[Float[np.ndarray, "m1 k"], Float[np.ndarray, "m2 k"]]:
    """Joint masses P and R of one batch, equal rows merged.

    Entries of p(y|x2) are floored as in the projection: a label that no row of the batch has is spread evenly.

    Args:
        p_y_x1: float64, rows of the batch; 0 for missing options.
        p_y_x2: the same of source 2.
        mask: False on padding.
    """
    first = p_y_x1[mask] / mask.sum()
    floored = np.maximum(p_y_x2[mask], MARGINAL_FLOOR)
    second = floored / floored.sum(0) * first.sum(0)
    return _merged(first).masses, _merged(second).masses


def _merged(masses: Float[np.ndarray, "c k"]) -> MergedRows:
    weights = masses.sum(1)
    known = weights > 0
    return merge_rows(masses[known] / weights[known, None], weights[known])


def _anchored(masses: tuple[Float[np.ndarray, "m1 k"], Float[np.ndarray, "m2 k"]]) -> float:
    """I(X1;Y) of the batch, nats."""
    return information(masses[0])
