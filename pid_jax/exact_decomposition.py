"""Decompose your own conditionals or a joint table exactly: every atom as a certified interval."""

from dataclasses import dataclass, field, replace
from typing import Final, cast, get_args

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from pid_jax.arguments import as_array, check_name, numbers
from pid_jax.atom_bounds import AtomBounds
from pid_jax.estimators.exact.other_measures import OtherRedundancies, other_redundancies
from pid_jax.estimators.exact.over_items.intervals import IntervalMethod, ItemInterval
from pid_jax.estimators.exact.pointwise import PointwiseAtoms
from pid_jax.estimators.exact.problem import ExactProblem
from pid_jax.estimators.exact.rows import Marginals, Reconciled, merge_rows
from pid_jax.estimators.exact.strata import (
    StratifiedProblem,
    StratifiedSolution,
    pointwise_stratified,
    solve_stratified,
    stratified_intervals,
)
from pid_jax.exact_arguments import can_be_masses, check_tolerance, reconciled_problem
from pid_jax.information import AtomsInBits
from pid_jax.setting import ArgumentError
from pid_lvlm.data.names import NATS_PER_BIT

MOST_PAIRS: Final = 10**9
"""Maximum number of pairs of distinct rows: a pass over them takes about ten seconds."""


@dataclass(frozen=True)
class ExactDecomposition(AtomBounds):
    """Atoms in bits as certified intervals: the optimum lies inside, whatever the solver did.

    An interval covers the optimisation only, not the sampling of the rows. The ends also have flat names:
    `redundancy_low_bits`, `redundancy_high_bits`, and so on for `unique1`, `unique2` and `synergy`.

    Attributes:
        low: lower bounds on the atoms, bits.
        high: upper bounds.
        i1_bits: I(X1;Y) of the reconciled conditionals.
        i2_bits: I(X2;Y).
        i12_bits: I(X1,X2;Y).
        i_coupling_low_bits: certified lower bound on the coupling information I_q.
        i_coupling_high_bits: certified upper bound.
        gap_bits: width of that interval, and so of every atom's interval.
        tol_bits: the requested width.
        marginal_mismatch: largest total variation between two of the three P(Y) as given.
        potentials: dual variables A (n, k) and B (n, k) of every row, a feasible point that gives the lower bound.
        problem: reconciled rows of every stratum.
        solution: its optimum, nats.
        shape: shape of the pairs: (n,), or (n1, n2) for a table.
        items: estimate and interval over items; None unless requested.
    """

    low: AtomsInBits
    high: AtomsInBits
    i1_bits: float
    i2_bits: float
    i12_bits: float
    i_coupling_low_bits: float
    i_coupling_high_bits: float
    gap_bits: float
    tol_bits: float
    marginal_mismatch: float
    potentials: tuple[Float[np.ndarray, "n1 k"], Float[np.ndarray, "n2 k"]]
    problem: StratifiedProblem = field(repr=False)
    solution: StratifiedSolution = field(repr=False)
    shape: tuple[int, ...]
    items: ItemInterval | None = None

    @property
    def middle(self) -> AtomsInBits:
        """Midpoints of the intervals, bits; they add up to I(X1,X2;Y)."""
        return AtomsInBits(*((a + b) / 2 for a, b in zip(self.low, self.high, strict=True)))

    @property
    def converged(self) -> bool:
        """Whether the interval is as narrow as requested."""
        return self.gap_bits <= self.tol_bits

    @property
    def advice(self) -> str | None:
        """What to know before using these atoms; None if all is well."""
        if self.gap_bits > self.tol_bits:
            return f"the interval is {self.gap_bits:.2g} bits wide, wider than requested, but still valid"
        if self.solution.joint_knows_less(self.tol_bits):
            return "the joint conditionals know less than the sources imply, so that the synergy is negative"
        return None

    def pointwise(self) -> PointwiseAtoms:
        """The atoms of every row, bits: arrays (n,), or (n1, n2) of a table; NaN where the weight is 0.

        Their weighted means are the atoms at the certified lower bound of the potentials, within the interval unless
        I1 or I2 bounds I_q more tightly. They are unique given the optimum; with `tol_bits=2e-5`, the error of a single
        value is about 1e-3 bits.
        """
        return pointwise_stratified(self.problem, self.solution).reshaped(self.shape)

    def other_redundancies(self) -> OtherRedundancies:
        """Redundancy by other definitions, bits; neither is below `low.redundancy`.

        U1 = I1 - R, U2 = I2 - R and S = I12 - I1 - I2 + R follow from each.
        """
        return other_redundancies(self.problem).in_bits()

    def __repr__(self) -> str:
        atoms = (
            f"{name} [{round(low, 4) + 0.0:.4f}, {round(high, 4) + 0.0:.4f}]"
            for name, low, high in zip(AtomsInBits._fields, self.low, self.high, strict=True)
        )
        note = f"; {self.advice}" if self.advice else ""
        items = f"; items={self.items!r}" if self.items else ""
        return f"ExactDecomposition({', '.join(atoms)} bits; gap {self.gap_bits:.1e}{note}{items})"


def exact(
    p_y_x1: ArrayLike,
    p_y_x2: ArrayLike,
    p_y_x1x2: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    tol_bits: float = 1e-3,
    marginals: str = "tilt",
    strata: ArrayLike | None = None,
    interval: str | None = None,
    groups: ArrayLike | None = None,
) -> ExactDecomposition:
    """Split I(X1,X2;Y) into the BROJA atoms, each as a certified interval in bits.

    No features, no network, no seeds: the optimum depends only on the rows of conditionals and their weights
    (Bertschinger et al., 2014; `docs/method.md`).

    Args:
        p_y_x1: (n, k) p(y|x1_i): rows sum to 1, with 0 for options that a row does not have.
        p_y_x2: (n, k) p(y|x2_i).
        p_y_x1x2: (n, k) p(y|x1_i,x2_i).
        weights: (n,) weights of the rows; equal by default.
        tol_bits: maximum width of the intervals, in bits.
        marginals: how to bring the sources to the P(Y) of the pairs if they disagree: `tilt` (smallest change to every
        row), `rescale` (one factor per option) or `as-given` (an error if they disagree).
        strata: (n,) integers, such as the number of options of each row. The atoms are then conditional on them: each
        stratum is decomposed separately and weighted by its mass.
        interval: adds an interval over items, for rows that are a sample: `items` corrects the finite-sample bias with
        eight half samples; `items-uncorrected` costs nothing but covers only the expected value at this number of
        items.
        groups: (n,) the group of each item, such as its picture; items of a group are not independent.

    Raises:
        ArgumentError: the shapes differ, a row of probabilities does not sum to 1, the marginals disagree with
            `as-given`, a source cannot be brought to the P(Y) of the pairs, the strata are not integers, there are too
            many distinct rows, or too few groups for an interval.

    Example:
        Two numbers from 0 to 3; the answer is their sum modulo 4, about which neither alone says anything.

        >>> import numpy as np
        >>> import pid_jax
        >>> first, second = np.divmod(np.arange(16), 4)
        >>> alone = np.full((16, 4), 1 / 4)
        >>> pid_jax.exact(alone, alone, np.eye(4)[(first + second) % 4]).low.synergy > 1.999
        True
    """
    problem = reconciled_problem(
        p_y_x1, p_y_x2, p_y_x1x2, weights, tol_bits=tol_bits, marginals=marginals, strata=strata
    )
    if interval is not None:
        check_name("interval", interval, get_args(IntervalMethod))
    found = _decompose(problem, tol_bits, (problem.num_rows,))
    if interval is None:
        return found
    own = None if groups is None else as_array("groups", groups, "an array of shape (n,)")
    (items,) = stratified_intervals(
        [problem],
        [found.solution],
        groups=[own],
        method=cast(IntervalMethod, interval),
        tol_bits=tol_bits,
        marginals=cast(Marginals, marginals),
    )
    return replace(found, items=items)


def broja(p_x1x2y: ArrayLike, *, tol_bits: float = 1e-3) -> ExactDecomposition:
    """The BROJA atoms of a joint table p(x1, x2, y) or of counts, each as a certified interval in bits.

    Args:
        p_x1x2y: (n1, n2, k) non-negative probabilities or counts; they are divided by their sum.
        tol_bits: maximum width of the intervals, in bits.

    Raises:
        ArgumentError: the table does not have three axes, or has a negative or non-finite number.

    Example:
        >>> import numpy as np
        >>> import pid_jax
        >>> copy = np.zeros((2, 2, 4))
        >>> for x1, x2 in np.ndindex(2, 2):
        ...     copy[x1, x2, 2 * x1 + x2] = 1  # the answer is the pair
        >>> found = pid_jax.broja(copy)
        >>> [round(float(bits), 2) for bits in found.middle]
        [0.0, 1.0, 1.0, 0.0]
    """
    check_tolerance(tol_bits)
    table = numbers("p_x1x2y", p_x1x2y, "(n1, n2, k)", np.float64)
    if table.ndim != 3 or 0 in table.shape:
        raise ArgumentError("p_x1x2y", f"expected shape (n1, n2, k), found {table.shape}")
    if not can_be_masses(table):
        raise ArgumentError("p_x1x2y", "expected probabilities or counts of at least 0 with a finite sum above 0")
    table = table / table.sum()
    sources, places = [], []
    for axis in (1, 0):
        masses = table.sum(axis)
        weights = masses.sum(1)
        known = weights > 0
        sources.append(Reconciled(masses[known] / weights[known, None], weights[known], 0.0))
        places.append(np.maximum(np.cumsum(known) - 1, 0))
    cells = table.reshape(-1, table.shape[2])
    weights = cells.sum(1, keepdims=True)
    p = np.divide(cells, weights, out=np.full_like(cells, 1 / table.shape[2]), where=weights > 0)
    first, second = (place.ravel() for place in np.meshgrid(*places, indexing="ij"))
    problem = ExactProblem((sources[0], sources[1]), p, weights[:, 0], 0.0, (first, second))
    return _decompose(StratifiedProblem.single(problem), tol_bits, table.shape[:2])


def _decompose(problem: StratifiedProblem, tol_bits: float, shape: tuple[int, ...]) -> ExactDecomposition:
    pairs = max(_distinct_pairs(part) for _, part in problem)
    if pairs > MOST_PAIRS:
        raise ArgumentError(
            "p_y_x1",
            f"{pairs:,} pairs of distinct rows are more than the {MOST_PAIRS:,} that can be solved; decompose a part "
            "of the rows",
        )
    (solution,) = solve_stratified([problem], tol_bits)
    ends = [solution.atoms(iq).in_bits() for iq in (solution.low, solution.high)]
    i1, i2, i12, low, high = (
        nats / NATS_PER_BIT for nats in (solution.i1, solution.i2, solution.i12, solution.low, solution.high)
    )
    return ExactDecomposition(
        low=AtomsInBits(*map(min, *ends)),
        high=AtomsInBits(*map(max, *ends)),
        i1_bits=i1,
        i2_bits=i2,
        i12_bits=i12,
        i_coupling_low_bits=low,
        i_coupling_high_bits=high,
        gap_bits=solution.gap_bits,
        tol_bits=tol_bits,
        marginal_mismatch=problem.marginal_mismatch,
        potentials=solution.potentials,
        problem=problem,
        solution=solution,
        shape=shape,
    )


def _distinct_pairs(problem: ExactProblem) -> int:
    """Pairs of distinct rows."""
    return int(np.prod([len(merge_rows(source.p, source.weights).masses) for source in problem.sources]))
