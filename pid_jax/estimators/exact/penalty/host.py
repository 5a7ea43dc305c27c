"""Problems on the host's cores: one after another, or in processes of their own. Imports neither jax nor polars."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from pid_jax.estimators.exact.penalty.continuation import solve_continuation

Problem: TypeAlias = tuple[Float[np.ndarray, "_ _"], Float[np.ndarray, "_ _"]]

WORTH_PROCESSES: Final = 4_000_000
"""Pairs of all problems together, about 4 s of work, from which on processes are started, which takes a second or two."""


class Optimum(NamedTuple):
    """One solved problem.

    Attributes:
        low: certified lower bound on I_q, nats.
        high: certified upper bound, nats.
        dual_low: lower bound of the dual point alone.
        first: A of the dual point, which is feasible; 0 in rows of mass 0.
        second: its B.
    """

    low: float
    high: float
    dual_low: float
    first: Float[np.ndarray, "n1 k"]
    second: Float[np.ndarray, "n2 k"]


def solve_on_host(problem: Problem, tol_bits: float) -> Optimum:
    """Solve one problem on one core, so that its last digits do not depend on how many there are.

    Rows of mass 0 are left out and get a potential of 0.

    Args:
        problem: joint masses of both sources with the label, float64.
        tol_bits: how wide the certified interval may be, bits.
    """
    known = [part.sum(1) > 0 for part in problem]
    first, second = (part[rows] for part, rows in zip(problem, known, strict=True))
    with threadpool_limits(1, "blas"):
        certified = solve_continuation(first, second, tol_bits)
    a, b = (np.zeros_like(part) for part in problem)
    a[known[0]], b[known[1]] = certified.dual.first, certified.dual.second
    return Optimum(certified.low, certified.high, certified.dual.value, a, b)


def solve_side_by_side(problems: Sequence[Problem], tol_bits: float, cores: int) -> Iterator[Optimum]:
    """Solve problems on several cores; optima in their order, each as soon as it and those before it are solved.

    In processes, since Python's threads share one core but for numpy's inner loops. They are started once and wait for
    the next call.

    Args:
        problems: as in `solve_on_host`.
        tol_bits: how wide the certified intervals may be, bits.
        cores: how many problems are solved at a time.
    """
    work = sum(len(first) * len(second) for first, second in problems)
    if cores == 1 or len(problems) == 1 or work < WORTH_PROCESSES:
        yield from (solve_on_host(problem, tol_bits) for problem in problems)
        return
    parallel = Parallel(n_jobs=min(cores, len(problems)), backend="loky", return_as="generator", batch_size=1)
    yield from parallel(delayed(solve_on_host)(problem, tol_bits) for problem in problems)
