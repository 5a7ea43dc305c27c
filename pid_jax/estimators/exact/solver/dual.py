"""The dual of the BROJA problem and the exponential method of multipliers that solves it.

With the joint masses P (n1, K) of source 1 and the label and R (n2, K) of source 2 and the label, and π = P(Y), the
minimum coupling information is (nats)

    I_q = H(Y) + max ⟨P, log A⟩ + ⟨R, log B⟩   subject to   S = A Bᵀ ≤ 1 for every pair of rows.

The multipliers M (n1, n2) of the pairs are masses, and Q_ijy = M_ij a_iy b_jy / S_ij is the coupling. They are kept as
ratios N to the product w vᵀ of the row masses. A penalised step replaces M by M S^p and A, B by the solution of

    max ⟨P, log A⟩ + ⟨R, log B⟩ - (1/p) Σ M S^p,

found by Newton's method in log A for all rows at once, then in log B. With p = 1 the step has a closed form: A = P / (M
B). Rows of mass 0 are padding and change nothing.
"""

from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

TINY: Final = 1e-30
"""Replaces 0 as a divisor or in a logarithm of float32 numbers."""

LEAST_RATIO: Final = 1e-7
"""Multipliers never fall below this share of the product of their rows' masses, so they can recover."""

MOST_EXPONENT: Final = 50.0
"""Maximum of S^p, which could overflow far from the solution."""

LARGEST_STEP: Final = 3.0
"""Maximum change of log A in one Newton step."""

SWEEPS: Final = 2
"""Newton steps in A and in B before the multipliers are updated."""

TRIALS: Final = 10
"""Step sizes tried in one Newton step, each 0.3 times the previous one."""


class Masses(NamedTuple):
    """Joint masses of each source and the label; their column sums are equal, and padded rows are 0."""

    first: Float[Any, "*p n1 k"]
    second: Float[Any, "*p n2 k"]


class State(NamedTuple):
    """State of the method: ratios N of the multipliers, and the dual variables A and B."""

    ratios: Float[Array, "*p n1 n2"]
    first: Float[Array, "*p n1 k"]
    second: Float[Array, "*p n2 k"]


class Stage(NamedTuple):
    """A stage of the schedule: cheap steps at p = 1, then a ramp of penalties.

    Attributes:
        cheap: closed-form steps at p = 1.
        hold: Newton steps at `low`, before the ramp.
        ramp: Newton steps with p growing by `growth`, up to `high`.
        relaxation: factor on every Newton step.
    """

    cheap: int
    hold: int = 0
    ramp: int = 0
    low: float = 1.0
    high: float = 1.0
    growth: float = 1.1
    relaxation: float = 1.0


def initial_state(masses: Masses) -> State:
    """Conditionals over √π, and multipliers of independent sources."""
    root = jnp.sqrt(masses.first.sum(0))
    first, second = (_ratio(_ratio(p, p.sum(1, keepdims=True)), root) for p in masses)
    return State(jnp.ones((len(first), len(second)), first.dtype), first, second)


def run_stage(masses: Masses, state: State, stage: Stage) -> State:
    """One stage of the schedule; its numbers may be traced, so all stages share one program."""
    first, second = masses
    product = first.sum(1)[:, None] * second.sum(1)[None, :]

    def cheap(_: Any, state: State) -> State:
        multipliers = state.ratios * product
        a = _ratio(first, multipliers @ state.second)
        b = _ratio(second, multipliers.T @ a)
        return State(jnp.maximum(state.ratios * (a @ b.T), LEAST_RATIO), a, b)

    def newton(step: Any, state: State) -> State:
        grown = stage.low * stage.growth ** jnp.maximum(step - stage.hold, 0)
        p = jnp.minimum(grown, stage.high).astype(first.dtype)
        return _penalised_step(masses, product, state, p, stage.relaxation)

    state = jax.lax.fori_loop(0, stage.cheap, cheap, state)
    return jax.lax.fori_loop(0, stage.hold + stage.ramp, newton, state)


def _penalised_step(
    masses: Masses, product: Float[Array, "n1 n2"], state: State, p: Float[Array, ""], relaxation: Any
) -> State:
    """Newton sweeps over rows and columns at penalty p, then a multiplier update."""
    multipliers = state.ratios * product
    a, b = state.first, state.second

    def sweep(_: Any, carry: Any) -> Any:
        a, b, pairs = carry
        a, pairs = _sweep(masses.first, a, b, multipliers, pairs, p, relaxation)
        b, transposed = _sweep(masses.second, b, a, multipliers.T, pairs.T, p, relaxation)
        return a, b, transposed.T

    start = (a, b, _power(multipliers, a @ b.T, p))
    a, b, masses_of_pairs = jax.lax.fori_loop(0, SWEEPS, sweep, start)
    return State(jnp.maximum(_ratio(masses_of_pairs, product), LEAST_RATIO), a, b)


def _sweep(
    target: Float[Array, "n k"],
    a: Float[Array, "n k"],
    b: Float[Array, "m k"],
    multipliers: Float[Array, "n m"],
    pairs: Float[Array, "n m"],
    p: Float[Array, ""],
    relaxation: Any,
) -> tuple[Float[Array, "n k"], Float[Array, "n m"]]:
    """One Newton step in log A for each row separately; returns A and the masses of the pairs, M S^p."""
    weight = target.sum(1)
    a, pairs = _rescale_far_rows(weight, a, pairs, p)
    values = a @ b.T
    step = jnp.clip(relaxation * _newton_direction(target, a, b, values, pairs, p), -LARGEST_STEP, LARGEST_STEP)
    before = pairs.sum(1)

    def attempt(size: Float[Array, " n"]) -> tuple[Float[Array, "n k"], Float[Array, "n m"], Bool[Array, " n"]]:
        moved = a * jnp.exp(size[:, None] * step)
        masses = _power(multipliers, moved @ b.T, p)
        after = masses.sum(1)
        growth = jnp.log(jnp.maximum(after, TINY) / jnp.maximum(before, TINY))
        gain = size * (target * step).sum(1) - weight / p * growth
        return moved, masses, ((gain >= -1e-6 * weight) & (after < 4 * weight)) | (weight <= 0)

    def shrink(carry: Any) -> Any:
        trial, size, _, _, accepted = carry
        size = jnp.where(accepted | (trial == 0), size, 0.3 * size)
        return (trial + 1, size, *attempt(size))

    start = (0, jnp.ones_like(weight), a, pairs, jnp.zeros_like(weight, bool))
    _, _, a, pairs, _ = jax.lax.while_loop(lambda c: (c[0] < TRIALS) & ~c[4].all(), shrink, start)
    return a, pairs


def _rescale_far_rows(
    weight: Float[Array, " n"], a: Float[Array, "n k"], pairs: Float[Array, "n m"], p: Float[Array, ""]
) -> tuple[Float[Array, "n k"], Float[Array, "n m"]]:
    """Rows whose mass is off by more than a factor of 2 are scaled to it, the exact solution along that direction."""
    factor = jnp.where(weight > 0, weight / jnp.maximum(pairs.sum(1), TINY), 1.0)
    factor = jnp.where((factor > 0.5) & (factor < 2), 1.0, factor)
    return a * (factor ** (1 / p))[:, None], pairs * factor[:, None]


def _newton_direction(
    target: Float[Array, "n k"],
    a: Float[Array, "n k"],
    b: Float[Array, "m k"],
    values: Float[Array, "n m"],
    pairs: Float[Array, "n m"],
    p: Float[Array, ""],
) -> Float[Array, "n k"]:
    """H_i⁻¹ (P_i - x_i) with H_i = diag(x_i) + a_i a_iᵀ ∘ Σ_j T_ij b_j b_jᵀ, scaled by x^-1/2 on both sides."""
    options = a.shape[1]
    present = target > 0
    ratio = pairs / jnp.maximum(values, TINY)
    second = (p - 1) * ratio / jnp.maximum(values, TINY)
    x = a * (ratio @ b)
    rows, columns = jnp.triu_indices(options)
    place = jnp.zeros((options, options), int).at[rows, columns].set(jnp.arange(len(rows)))
    place = jnp.maximum(place, place.T)
    curvature = (second @ (b[:, rows] * b[:, columns]))[:, place]
    scale = jnp.where(present, jax.lax.rsqrt(jnp.maximum(x, TINY)), 0.0)
    u = a * scale
    hessian = jnp.eye(options, dtype=a.dtype) + curvature * u[:, :, None] * u[:, None, :]
    factor = jnp.linalg.cholesky(hessian)
    gradient = jnp.where(present, target - x, 0.0) * scale
    solved = jax.scipy.linalg.cho_solve((factor, True), gradient[..., None])[..., 0]
    return jnp.nan_to_num(solved * scale, posinf=0.0, neginf=0.0)


def _power(multipliers: Float[Array, "n m"], values: Float[Array, "n m"], p: Float[Array, ""]) -> Float[Array, "n m"]:
    return multipliers * jnp.exp(jnp.minimum(p * jnp.log(jnp.maximum(values, TINY)), MOST_EXPONENT))


def _ratio(x: Float[Array, "*#n"], y: Float[Array, "*#n"]) -> Float[Array, "*#n"]:
    """The quotient x / y, 0 where x is 0."""
    return jnp.where(x > 0, x / jnp.maximum(y, TINY), 0.0)
