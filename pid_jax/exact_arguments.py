"""Turns arguments of the exact estimator into a reconciled problem, or an error that names the argument."""

from typing import cast, get_args

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from pid_jax.arguments import as_array, check_name, numbers, probabilities
from pid_jax.estimators.exact.problem import REACHED, GivenRows
from pid_jax.estimators.exact.rows import Marginals
from pid_jax.estimators.exact.strata import StratifiedProblem
from pid_jax.setting import TOLERANCE, ArgumentError, spell


def reconciled_problem(
    p_y_x1: ArrayLike,
    p_y_x2: ArrayLike,
    p_y_x1x2: ArrayLike,
    weights: ArrayLike | None,
    *,
    tol_bits: float,
    marginals: str,
    strata: ArrayLike | None = None,
) -> StratifiedProblem:
    """The problem for unchecked arguments; see `exact` for what they are.

    Raises:
        ArgumentError: see `exact`.
    """
    check_tolerance(tol_bits)
    check_name("marginals", marginals, get_args(Marginals))
    p = [
        probabilities(name, values, np.float64) for name, values in zip(_NAMES, (p_y_x1, p_y_x2, p_y_x1x2), strict=True)
    ]
    for name, values in zip(_NAMES, p, strict=True):
        if values.shape != p[0].shape:
            raise ArgumentError(name, f"expected shape {p[0].shape}, that of p_y_x1, found {values.shape}")
    w = _weights(weights, len(p[0]))
    first, second, pairs = (values / values.sum(1, keepdims=True) for values in p)
    rows = GivenRows(first, second, pairs, w, _strata(strata, len(w)))
    problem = StratifiedProblem.of(rows, cast(Marginals, marginals))
    if marginals == "as-given" and problem.marginal_mismatch > REACHED:
        raise ArgumentError(
            "marginals",
            f"P(Y) differs between the arguments by {problem.marginal_mismatch:.2g} (total variation), so that no "
            'coupling has these marginals; choose marginals="tilt" or "rescale"',
        )
    for name, residual in zip(_NAMES, problem.residuals, strict=False):
        if residual > REACHED:
            raise ArgumentError(
                name,
                f"cannot be brought to the P(Y) of p_y_x1x2 (total variation {residual:.2g} remains), "
                "since too many of its rows rule an option out"
                + ('; marginals="rescale" may reach it' if marginals == "tilt" else ""),
            )
    return problem


def check_tolerance(tol_bits: float) -> None:
    """Check a width in bits.

    Raises:
        ArgumentError: it is not a number, or out of range.
    """
    if not TOLERANCE.accepts(tol_bits):
        raise ArgumentError("tol_bits", f"expected {TOLERANCE.expected}, found {spell(tol_bits)}")


def can_be_masses(values: Float[np.ndarray, "..."]) -> bool:
    """Whether numbers are probabilities after dividing by their sum."""
    with np.errstate(over="ignore"):
        return bool((values >= 0).all() and 0 < values.sum() < np.inf)


_NAMES = ("p_y_x1", "p_y_x2", "p_y_x1x2")


def _weights(weights: ArrayLike | None, rows: int) -> Float[np.ndarray, " n"]:
    if weights is None:
        return np.full(rows, 1 / rows)
    w = numbers("weights", weights, f"({rows},)", np.float64)
    if w.shape != (rows,):
        raise ArgumentError("weights", f"expected a number for each of {rows} rows, found shape {w.shape}")
    if not can_be_masses(w):
        raise ArgumentError("weights", "expected numbers of at least 0 with a finite sum above 0")
    return w / w.sum()


def _strata(labels: ArrayLike | None, rows: int) -> Int[np.ndarray, " n"] | None:
    if labels is None:
        return None
    array = as_array("strata", labels, f"({rows},) integers")
    if array.shape != (rows,) or array.dtype.kind not in "iu":
        raise ArgumentError("strata", f"expected {rows} integers, found {array.dtype} of shape {array.shape}")
    return array
