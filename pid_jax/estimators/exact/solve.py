"""Solve a stack of problems of one shape to a tolerance: stage after stage, a certificate after each."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from pid_jax.estimators.exact.certificate import Certificate, certify
from pid_jax.estimators.exact.dual import Masses, Stage, State, initial_state, run_stage
from pid_jax.estimators.exact.rows import pad_rows, padded_size
from pid_lvlm.data.names import NATS_PER_BIT


def _ramp(low: float, high: float, growth: float, relaxation: float, *, cheap: int = 0, hold: int = 0) -> Stage:
    steps = math.ceil(math.log(high / low) / math.log(growth)) + 1
    return Stage(cheap, hold, steps, low, high, growth, relaxation)


SCHEDULE: Final = (
    _ramp(16.0, 300.0, 1.1, 1.6, cheap=200),
    Stage(100),
    _ramp(64.0, 2000.0, 1.1, 1.5),
    Stage(100),
    _ramp(64.0, 4000.0, 1.15, 1.5, hold=15),
    Stage(100),
    _ramp(64.0, 4000.0, 1.15, 1.5, hold=30),
    Stage(200),
)
"""High penalties close the dual; steps at p = 1 clean the primal. A problem ends at the first certificate within its
tolerance."""


class Bounds(NamedTuple):
    """What is known of every problem after the last stage, on the host.

    Attributes:
        low: certified lower bound on I_q, nats.
        high: certified upper bound, nats.
        dual_low: lower bound of the dual point alone.
        first: A of the best feasible dual point.
        second: its B.
    """

    low: Float[np.ndarray, " p"]
    high: Float[np.ndarray, " p"]
    dual_low: Float[np.ndarray, " p"]
    first: Float[np.ndarray, "p n1 k"]
    second: Float[np.ndarray, "p n2 k"]

    @property
    def gap_bits(self) -> Float[np.ndarray, " p"]:
        """Width of the certified interval, bits."""
        return (self.high - self.low) / NATS_PER_BIT

    def improved(self, other: "Bounds") -> "Bounds":
        """The best of both: each side of the interval, and the dual point with the largest bound of its own."""
        better = other.dual_low > self.dual_low
        pick = better[:, None, None]
        return Bounds(
            np.maximum(self.low, other.low),
            np.minimum(self.high, other.high),
            np.where(better, other.dual_low, self.dual_low),
            np.where(pick, other.first, self.first),
            np.where(pick, other.second, self.second),
        )


class Optimum(NamedTuple):
    """One solved problem, nats, as in `Bounds`; the dual point has the rows of the problem, without padding."""

    low: float
    high: float
    dual_low: float
    first: Float[np.ndarray, "n1 k"]
    second: Float[np.ndarray, "n2 k"]


def solve_many(
    problems: Sequence[tuple[Float[np.ndarray, "_ _"], Float[np.ndarray, "_ _"]]], tol_bits: float
) -> list[Optimum]:
    """Solve problems of any shapes.

    Args:
        problems: joint masses of source 1 and the label, and of source 2 and the label, float64, with equal column
            sums.
        tol_bits: how wide the certified intervals may be, bits.
    """
    found = []
    for first, second in problems:
        stacked = (pad_rows(part, padded_size(len(part)))[None] for part in (first, second))
        bounds = solve(*stacked, tol_bits)
        low, high, dual_low = (float(side[0]) for side in (bounds.low, bounds.high, bounds.dual_low))
        found.append(Optimum(low, high, dual_low, bounds.first[0][: len(first)], bounds.second[0][: len(second)]))
    return found


def solve(first: Float[Any, "p n1 k"], second: Float[Any, "p n2 k"], tol_bits: float) -> Bounds:
    """Bounds on I_q of a stack of problems.

    Args:
        first: joint masses of source 1 and the label, float64; padded rows are 0.
        second: the same of source 2, with the same column sums.
        tol_bits: stop once every problem's certified interval is at most this wide, or the schedule ends.
    """
    with jax.enable_x64(True):
        masses = Masses(jnp.asarray(first, jnp.float64), jnp.asarray(second, jnp.float64))
        state = _begin(masses)
        best: Bounds | None = None
        for stage in SCHEDULE:
            state, certificate = _advance(masses, state, _typed(stage))
            found = Bounds(*jax.device_get(certificate))
            best = found if best is None else best.improved(found)
            if (best.gap_bits <= tol_bits).all():
                break
    assert best is not None
    return best


@jax.jit
def _begin(masses: Masses) -> State:
    return jax.vmap(initial_state)(_in_float32(masses))


@partial(jax.jit, donate_argnums=(1,))
def _advance(masses: Masses, state: State, stage: Stage) -> tuple[State, Certificate]:
    state = jax.vmap(run_stage, in_axes=(0, 0, None))(_in_float32(masses), state, stage)
    return state, jax.vmap(certify)(masses, state)


def _typed(stage: Stage) -> Stage:
    """Numbers that are traced, so that every stage is the same program."""
    numbers: list[Any] = [np.float32(x) if isinstance(x, float) else np.int32(x) for x in stage]
    return Stage(*numbers)


def _in_float32(masses: Masses) -> Masses:
    return Masses(*(part.astype(jnp.float32) for part in masses))
