"""Solves problems on the host's cores, one after another or in separate processes. Imports neither jax nor polars."""

import atexit
import math
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from itertools import repeat
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float
from loky import BrokenProcessPool, get_reusable_executor
from threadpoolctl import ThreadpoolController

from pid_jax.estimators.exact.penalty.merged import solve_rows_or_cells

Problem: TypeAlias = tuple[Float[np.ndarray, "_ _"], Float[np.ndarray, "_ _"]]

PER_PROBLEM: Final = 40_000
"""The fixed cost of a problem in pairs: small ones take about 20 ms."""

WORTH_PROCESSES: Final = 3_000_000
"""Work, in pairs, above which processes are worth the second they take to start; about two seconds on one core."""

WORTH_SENDING: Final = 200_000
"""Work, in pairs, above which problems are worth sending to processes that are already running."""

IDLE_SECONDS: Final = 60
"""Idle processes end after this time."""


class Optimum(NamedTuple):
    """One solved problem.

    Attributes:
        low: certified lower bound on I_q, nats.
        high: certified upper bound, nats.
        dual_low: lower bound from the dual point alone.
        first: A of the feasible dual point; 0 in rows of mass 0.
        second: its B.
    """

    low: float
    high: float
    dual_low: float
    first: Float[np.ndarray, "n1 k"]
    second: Float[np.ndarray, "n2 k"]


def solve_on_host(problem: Problem, tol_bits: float) -> Optimum:
    """Solve one problem on one core, so its last digits do not depend on the number of cores.

    Rows of mass 0 are left out and get potential 0.

    Args:
        problem: joint masses of both sources with the label, float64.
        tol_bits: maximum width of the certified interval, bits.
    """
    known = [part.sum(1) > 0 for part in problem]
    first, second = (part[rows] for part, rows in zip(problem, known, strict=True))
    with _thread_pools().limit(limits=1, user_api="blas"):
        certified = solve_rows_or_cells(first, second, tol_bits)
    a, b = (np.zeros_like(part) for part in problem)
    a[known[0]], b[known[1]] = certified.dual.first, certified.dual.second
    return Optimum(certified.low, certified.high, certified.dual.value, a, b)


def work_of(rows: int, columns: int) -> int:
    """Work of a problem of this size, in pairs."""
    return rows * columns + PER_PROBLEM


def solve_side_by_side(problems: Sequence[Problem], tol_bits: float, cores: int) -> Iterator[Optimum]:
    """Solve problems on several cores; yields optima in order, each once it and all before it are solved.

    Uses processes because Python's threads share one core except in numpy's inner loops. They are started once and wait
    for the next call.

    Args:
        problems: see `solve_on_host`.
        tol_bits: maximum width of the certified intervals, bits.
        cores: number of problems solved at a time.

    Raises:
        MemoryError: a process was killed from outside.
    """
    work = sum(work_of(len(first), len(second)) for first, second in problems)
    least = WORTH_SENDING if _running.expected() else WORTH_PROCESSES
    if cores == 1 or len(problems) == 1 or work < least:
        yield from (solve_on_host(problem, tol_bits) for problem in problems)
        return
    with _silent_about_interrupts():
        pool = get_reusable_executor(cores, timeout=IDLE_SECONDS, initializer=_leave_with, initargs=(os.getpid(),))
        _end_at_exit(pool)
        found = pool.map(solve_on_host, problems, repeat(tol_bits))
    try:
        yield from found
    except BrokenProcessPool:  # out of memory: the system killed a process
        raise MemoryError from None
    _running.used = time.monotonic()


@dataclass
class _Running:
    """When the processes were last used."""

    used: float = -math.inf

    def expected(self) -> bool:
        """Whether they should still be there. If they are not, using them only takes longer."""
        return time.monotonic() - self.used < IDLE_SECONDS - 5


_running = _Running()


@cache
def _thread_pools() -> ThreadpoolController:
    """The loaded libraries' thread pools; looking for them takes more than a millisecond."""
    return ThreadpoolController()


@cache
def _end_at_exit(pool: Any) -> None:
    """Ends idle processes at exit; they would keep a command alive until they time out."""
    atexit.register(partial(pool.shutdown, wait=True, kill_workers=True))


def _leave_with(parent: int) -> None:
    """Make this process end when its parent does, even if the parent is killed."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _silent_about_interrupts() -> Iterator[None]:
    """Processes started here remove semaphores left by an interrupted command without a warning."""
    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, (before, "ignore:resource_tracker:UserWarning")))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = before
