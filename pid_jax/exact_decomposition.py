"""Decompose your own conditionals or a joint table exactly: every atom as a certified interval."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, cast, get_args

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from pid_jax.arguments import as_array, numbers
from pid_jax.estimators.exact.intervals import IntervalMethod, ItemInterval, item_intervals
from pid_jax.estimators.exact.problem import REACHED, ExactProblem, ExactSolution, solve_problems
from pid_jax.estimators.exact.rows import Marginals, Reconciled, merge_rows
from pid_jax.information import AtomsInBits
from pid_jax.setting import ArgumentError
from pid_lvlm.data.names import NATS_PER_BIT

SUM_TOLERANCE: Final = 1e-3
"""Largest deviation from 1 of the sum of a row of probabilities; rows are divided by their sum."""

MOST_PAIRS: Final = 10**8
"""Pairs of distinct rows that are solved: about 4 GB at the peak."""


@dataclass(frozen=True)
class ExactDecomposition:
    """Atoms in bits as certified intervals: the optimum lies inside, whatever the solver did.

    These intervals cover the optimisation only; `items` covers the sampling of the rows.

    Attributes:
        low: the least possible atoms, bits.
        high: the largest.
        i1_bits: I(X1;Y) of the reconciled conditionals.
        i2_bits: I(X2;Y).
        i12_bits: I(X1,X2;Y).
        i_coupling_low_bits: certified lower bound on the coupling information I_q.
        i_coupling_high_bits: certified upper bound.
        gap_bits: width of that interval, and so of every atom's.
        tol_bits: the width that was asked for.
        marginal_mismatch: largest total variation between two of the three P(Y) as given.
        potentials: dual variables A (n, k) and B (n, k) of every row, a feasible point that gives the lower bound.
        items: estimate and interval over items; None unless asked for.
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
    items: ItemInterval | None = None

    @property
    def middle(self) -> AtomsInBits:
        """Middles of the intervals, bits; they add up to I(X1,X2;Y)."""
        return AtomsInBits(*((a + b) / 2 for a, b in zip(self.low, self.high, strict=True)))

    @property
    def converged(self) -> bool:
        """Whether the interval is as narrow as asked for."""
        return self.gap_bits <= self.tol_bits

    @property
    def advice(self) -> str | None:
        """What to know about these atoms before using them; None if all is well."""
        if self.gap_bits > self.tol_bits:
            return f"the interval is {self.gap_bits:.2g} bits wide, wider than asked for, and holds nevertheless"
        if self.i12_bits < max(self.i1_bits, self.i2_bits) - self.tol_bits:
            return "the joint conditionals know less than one source alone, so that an atom is negative"
        return None

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
    interval: str | None = None,
    groups: ArrayLike | None = None,
) -> ExactDecomposition:
    """Split I(X1,X2;Y) into the BROJA atoms, each as a certified interval in bits.

    No features, no network, no seeds: the optimum depends on the rows of conditionals and their weights only
    (Bertschinger et al., 2014; `docs/method.md`).

    Args:
        p_y_x1: (n, k) p(y|x1_i): rows sum to 1; 0 for an option that a row does not have.
        p_y_x2: (n, k) p(y|x2_i).
        p_y_x1x2: (n, k) p(y|x1_i,x2_i).
        weights: (n,) weights of the rows, by default equal.
        tol_bits: how wide the intervals may be, in bits.
        marginals: how the sources are brought to the P(Y) of the pairs where they disagree: `tilt` (smallest change of
            every row), `rescale` (one factor per option) or `as-given` (an error if they disagree).
        interval: also an interval over items, for rows that are a sample: `items` corrects the bias in the number of
            items with eight half samples, `items-uncorrected` costs nothing and covers the expected value at this
            number only.
        groups: (n,) of every item, the group (such as a picture) whose items are not independent of each other.

    Raises:
        ArgumentError: the shapes differ, a row of probabilities does not sum to 1, the marginals disagree with
            `as-given`, a source cannot be brought to the P(Y) of the pairs, there are too many distinct rows, or too
            few groups for an interval.

    Example:
        Two numbers from 0 to 3, and the answer is their sum modulo 4: neither alone says anything.

        >>> import numpy as np
        >>> import pid_jax
        >>> first, second = np.divmod(np.arange(16), 4)
        >>> alone = np.full((16, 4), 1 / 4)
        >>> pid_jax.exact(alone, alone, np.eye(4)[(first + second) % 4]).low.synergy > 1.999
        True
    """
    problem = reconciled_problem(p_y_x1, p_y_x2, p_y_x1x2, weights, tol_bits, marginals)
    if interval is None:
        return _decompose(problem, tol_bits)
    if interval not in get_args(IntervalMethod):
        raise ArgumentError("interval", f"expected one of {', '.join(get_args(IntervalMethod))}, found {interval!r}")
    own = None if groups is None else as_array("groups", groups, "an array of shape (n,)")
    intervals = partial(
        item_intervals,
        groups=[own],
        method=cast(IntervalMethod, interval),
        tol_bits=tol_bits,
        marginals=cast(Marginals, marginals),
    )
    return _decompose(problem, tol_bits, intervals)


def broja(p_x1x2y: ArrayLike, *, tol_bits: float = 1e-3) -> ExactDecomposition:
    """The BROJA atoms of a joint table p(x1, x2, y), or of counts, each as a certified interval in bits.

    Args:
        p_x1x2y: (n1, n2, k) probabilities or counts, not negative; they are divided by their sum.
        tol_bits: how wide the intervals may be, in bits.

    Raises:
        ArgumentError: the table does not have three axes, or a number in it is negative or not finite.

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
    _check_tolerance(tol_bits)
    table = numbers("p_x1x2y", p_x1x2y, "(n1, n2, k)", np.float64)
    if table.ndim != 3 or 0 in table.shape:
        raise ArgumentError("p_x1x2y", f"expected shape (n1, n2, k), found {table.shape}")
    if not (np.isfinite(table).all() and (table >= 0).all() and table.sum() > 0):
        raise ArgumentError("p_x1x2y", "expected finite probabilities or counts of at least 0, not all of them 0")
    table = table / table.sum()
    sources = []
    for axis in (1, 0):
        masses = table.sum(axis)
        weights = masses.sum(1)
        known = weights > 0
        sources.append(Reconciled(masses[known] / weights[known, None], weights[known], 0.0))
    pairs = table.reshape(-1, table.shape[2])
    pairs = pairs[pairs.sum(1) > 0]
    weights = pairs.sum(1)
    return _decompose(ExactProblem((sources[0], sources[1]), pairs / weights[:, None], weights, 0.0), tol_bits)


def reconciled_problem(
    p_y_x1: ArrayLike,
    p_y_x2: ArrayLike,
    p_y_x1x2: ArrayLike,
    weights: ArrayLike | None,
    tol_bits: float,
    marginals: str,
) -> ExactProblem:
    """The problem of arguments that may be anything; `exact` says what they are.

    Raises:
        ArgumentError: as for `exact`.
    """
    _check_tolerance(tol_bits)
    if marginals not in get_args(Marginals):
        raise ArgumentError("marginals", f"expected one of {', '.join(get_args(Marginals))}, found {marginals!r}")
    p = [_probabilities(name, values) for name, values in zip(_NAMES, (p_y_x1, p_y_x2, p_y_x1x2), strict=True)]
    for name, values in zip(_NAMES, p, strict=True):
        if values.shape != p[0].shape:
            raise ArgumentError(name, f"expected shape {p[0].shape}, that of p_y_x1, found {values.shape}")
    w = _weights(weights, len(p[0]))
    problem = ExactProblem.of(p[0], p[1], p[2], w, cast(Marginals, marginals))
    if marginals == "as-given" and problem.marginal_mismatch > REACHED:
        raise ArgumentError(
            "marginals",
            f"P(Y) differs between the arguments by {problem.marginal_mismatch:.2g} (total variation), so that no "
            'coupling has these marginals; choose marginals="tilt" or "rescale"',
        )
    for name, source in zip(_NAMES, problem.sources, strict=False):
        if source.residual > REACHED:
            raise ArgumentError(
                name,
                f"cannot be brought to the P(Y) of p_y_x1x2 (total variation {source.residual:.2g} is left), "
                "since too many of its rows rule an option out"
                + ('; marginals="rescale" may reach it' if marginals == "tilt" else ""),
            )
    return problem


def _check_tolerance(tol_bits: float) -> None:
    if not tol_bits > 0:
        raise ArgumentError("tol_bits", f"expected a positive number, found {tol_bits}")


_NAMES = ("p_y_x1", "p_y_x2", "p_y_x1x2")


def _probabilities(name: str, values: ArrayLike) -> Float[np.ndarray, "n k"]:
    p = numbers(name, values, "(n, k)", np.float64)
    if p.ndim != 2 or p.shape[1] < 2 or not len(p):
        raise ArgumentError(name, f"expected shape (n, k) with rows and at least 2 options, found {p.shape}")
    total = p.sum(1)
    wrong = ~((p >= 0).all(axis=1) & (np.abs(total - 1) <= SUM_TOLERANCE))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ArgumentError(
            name,
            f"row {row}: expected probabilities of at least 0 that sum to 1, found a row that sums to "
            f"{total[row]:g} ({int(wrong.sum())} such rows)",
        )
    return p / total[:, None]


def _weights(weights: ArrayLike | None, rows: int) -> Float[np.ndarray, " n"]:
    if weights is None:
        return np.full(rows, 1 / rows)
    w = numbers("weights", weights, f"({rows},)", np.float64)
    if w.shape != (rows,) or not (np.isfinite(w).all() and (w >= 0).all() and w.sum() > 0):
        raise ArgumentError(
            "weights", f"expected {rows} finite numbers of at least 0, not all of them 0; found {w.shape}"
        )
    return w / w.sum()


def _decompose(
    problem: ExactProblem,
    tol_bits: float,
    intervals: Callable[[Sequence[ExactProblem], Sequence[ExactSolution]], list[ItemInterval]] | None = None,
) -> ExactDecomposition:
    pairs = int(np.prod([len(merge_rows(source.p, source.weights).masses) for source in problem.sources]))
    if pairs > MOST_PAIRS:
        raise ArgumentError(
            "p_y_x1",
            f"{pairs:,} pairs of distinct rows are more than the {MOST_PAIRS:,} that fit into memory; decompose a part "
            "of the rows",
        )
    (solution,) = solve_problems([problem], tol_bits)
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
        items=intervals([problem], [solution])[0] if intervals else None,
    )
