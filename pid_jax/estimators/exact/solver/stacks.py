"""A stack of problems of one shape on an accelerator: stages of multiplier steps, each followed by a certificate."""

import math
from functools import partial
from operator import itemgetter
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from pid_jax.estimators.exact.solver.certificate import Certificate, certify
from pid_jax.estimators.exact.solver.dual import Masses, Stage, State, initial_state, run_stage
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
"""High penalties close the dual; steps at p = 1 clean the primal. A problem is done at the first certificate within its
tolerance."""


class Bounds(NamedTuple):
    """Results for each problem after the last stage, on the host.

    Attributes:
        low: certified lower bound on I_q, nats.
        high: certified upper bound, nats.
        dual_low: lower bound from the dual point alone.
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

    def with_improved(self, rows: Int[np.ndarray, " q"], other: "Bounds") -> "Bounds":
        """Update some rows, which may repeat, with the better of the two."""
        better = Bounds(*(side[rows] for side in self)).improved(other)
        merged = [side.copy() for side in self]
        for whole, part in zip(merged, better, strict=True):
            whole[rows] = part
        return Bounds(*merged)

    def improved(self, other: "Bounds") -> "Bounds":
        """The better of the two for each side of the interval, and the dual point with the larger bound."""
        better = other.dual_low > self.dual_low
        pick = better[:, None, None]
        return Bounds(
            np.maximum(self.low, other.low),
            np.minimum(self.high, other.high),
            np.where(better, other.dual_low, self.dual_low),
            np.where(pick, other.first, self.first),
            np.where(pick, other.second, self.second),
        )


def bytes_per_problem(n1: int, n2: int, options: int) -> int:
    """Device memory per problem of a stack: float32 arrays of pairs, plus what a Newton step needs."""
    return 4 * n1 * n2 * (8 + options * (options + 1) // 8)


def solve_stack(first: Float[np.ndarray, "p n1 k"], second: Float[np.ndarray, "p n2 k"], tol_bits: float) -> Bounds:
    """Bounds on I_q of a stack of problems; those within the tolerance leave the stack after every stage.

    Args:
        first: joint masses of source 1 and the label, float64; padded rows are 0.
        second: the same of source 2, with the same column sums.
        tol_bits: maximum width of the certified intervals, bits.
    """
    with jax.enable_x64(True):
        masses = Masses(jnp.asarray(first, jnp.float64), jnp.asarray(second, jnp.float64))
        state = _begin(masses)
        best: Bounds | None = None
        active = np.arange(len(first))
        for stage in SCHEDULE:
            state, certificate = _advance(masses, state, _typed(stage))
            found = Bounds(*jax.device_get(certificate))
            best = found if best is None else best.with_improved(active, found)
            open_now = np.flatnonzero(best.gap_bits[active] > tol_bits)
            if not len(open_now):
                break
            size = 2 ** (len(open_now) - 1).bit_length()
            if size < len(active):
                kept = np.resize(open_now, size)  # repeat problems to fill the stack to one of a few sizes
                active = active[kept]
                masses, state = jax.tree.map(itemgetter(kept), (masses, state))
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
    """Traced numbers, so all stages share one program."""
    numbers: list[Any] = [np.float32(x) if isinstance(x, float) else np.int32(x) for x in stage]
    return Stage(*numbers)


def _in_float32(masses: Masses) -> Masses:
    return Masses(*(part.astype(jnp.float32) for part in masses))
