"""Penalty continuation, coarse to fine: a certified interval for one problem.

The penalised problem (`newton.py`) is solved for a growing penalty p; its certified gap is about 1 / p bits. The only
state is (A, B), so the pairs in use can change at any time, and the solution for cells is the start for their rows.
"""

from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float

from pid_jax.estimators.exact.penalty.bounds import (
    ROUNDING,
    Coupling,
    DualPoint,
    coupling,
    entropy,
    feasible_point,
    information,
)
from pid_jax.estimators.exact.penalty.cells import nested_cells, sum_cells
from pid_jax.estimators.exact.penalty.climb import Climb, Level, Settings, conditionals, lift
from pid_jax.estimators.exact.penalty.listing import TooManyPairsError
from pid_jax.estimators.exact.penalty.newton import Masses
from pid_jax.estimators.exact.penalty.pairs import log_sum, multiply_by_values
from pid_lvlm.data.names import NATS_PER_BIT

ATTEMPTS: Final = (
    Settings(),
    Settings(cell_loss=1.3, cell_growth=4.0, tolerance=(5e-3, 1e-2)),
    Settings(cell_loss=1.0, cell_growth=2.0, growth=1.3, list_share=(3e-5, 3e-6), tolerance=(3e-3, 5e-3), steps=30),
    Settings(coarsest=10**9, growth=1.3, list_share=(1e-5, 1e-6), tolerance=(1e-3, 2e-3), steps=60),
)
"""Settings tried in turn until one reaches the tolerance."""

FIRST_PENALTY: Final = 34
LARGEST_PENALTY: Final = 3e5

MOST_EXCESS: Final = 6.0
"""A run gives up at this multiple of the penalty expected to suffice."""

TUNED_FOR: Final = 1e-3
"""Tolerance in bits that the settings were chosen for; for smaller ones the marginals scale with the square root."""

LAST_PENALTY: Final = 1.2
"""Penalty expected to suffice, times the tolerance in bits."""

DROPPED: Final = 3e-3
"""Labels with less than this times the tolerance of their row are left out of the iterations, but not of the bounds."""


class Certified(NamedTuple):
    """An interval that contains I_q, nats, with the points that prove it.

    Attributes:
        low: lower bound, at least I1 and I2.
        high: upper bound, at most H(Y) and I1 + I2.
        dual: the feasible dual point.
        primal: the coupling; None if no iteration was needed.
    """

    low: float
    high: float
    dual: DualPoint
    primal: Coupling | None

    @property
    def gap_bits(self) -> float:
        """Width, bits."""
        return (self.high - self.low) / NATS_PER_BIT

    def improved(self, other: "Certified") -> "Certified":
        """The better of the two on each side."""
        dual = self.dual if self.dual.value >= other.dual.value else other.dual
        known = [one.primal for one in (self, other) if one.primal is not None]
        primal = min(known, key=lambda one: one.value, default=None)
        return Certified(max(self.low, other.low), min(self.high, other.high), dual, primal)


def solve_continuation(
    first: Float[np.ndarray, "n1 k"], second: Float[np.ndarray, "n2 k"], tol_bits: float
) -> Certified:
    """A certified interval of width at most `tol_bits` if it can be reached, else a wider one.

    Args:
        first: joint masses P of source 1 and the label, float64, every row above 0.
        second: R, those of source 2, with the same column sums.
        tol_bits: maximum width of the interval, bits.
    """
    masses = (first, second)
    best = trivial(masses)
    with np.errstate(all="ignore"):  # a failing stage may overflow; the bounds use only finite numbers
        for settings in ATTEMPTS:
            if best.gap_bits <= tol_bits:
                break
            run = _Run(masses, tol_bits, settings, best)
            try:
                run.solve()
            except TooManyPairsError:
                break  # other settings would not list fewer pairs
            finally:
                best = run.best
    return best


def trivial(masses: Masses) -> Certified:
    """The bounds max(I1, I2) ≤ I_q ≤ min(H(Y), I1 + I2); A = p(y|x1) with B = 1 is a dual point of value I1."""
    i1, i2 = (information(part) for part in masses)
    conditionals = [part / part.sum(1, keepdims=True) for part in masses]
    ones = [(part > 0).astype(np.float64) for part in masses]
    points = ((conditionals[0], ones[1]), (ones[0], conditionals[1]))
    dual = max((feasible_point(masses, *point) for point in points), key=lambda point: point.value)
    low = max(i1, i2, 0.0) - ROUNDING
    return Certified(low, max(min(entropy(masses[0]), i1 + i2) + ROUNDING, low), dual, None)


class _Run:
    """One pass through the levels with given settings.

    Attributes:
        best: the best known interval.
    """

    def __init__(self, masses: Masses, tol_bits: float, settings: Settings, best: Certified) -> None:
        self.masses, self.tol, self.best = masses, tol_bits, best
        looser = min(max(tol_bits / 2e-4, 1.0), 10.0)
        first, later = settings.list_share
        self.settings = replace(settings, list_share=(first * looser, later * looser))
        self.end = LAST_PENALTY / tol_bits

    def solve(self) -> None:
        """Improve the best known interval, level by level."""
        levels = self._levels()
        before: tuple[Level, tuple[int, Masses]] | None = None
        for number, level in enumerate(levels):
            last = number == len(levels) - 1
            if before is None:
                p, (a, b) = FIRST_PENALTY, conditionals(level.masses)
            else:
                p, (a, b) = before[1]
                a, b = lift(before[0], level, p, (a, b), self.settings.list_share[0])
            if last:
                self._last_level(level, p, (a, b))
            else:
                reached = self._climb(level, p, (a, b), self._coarse_end(level, p), self.settings.tolerance[1])
                if reached is None:
                    break
                before = (level, reached)

    def _levels(self) -> list[Level]:
        most = max(len(part) for part in self.masses)
        sizes, size = [], self.settings.coarsest
        while self.settings.refinement * size <= most:
            sizes.append(size)
            size *= self.settings.refinement
        cells = [
            [*nested_cells(part, sizes), np.arange(len(part))] if sizes else [np.arange(len(part))]
            for part in self.masses
        ]
        found = []
        for pair in zip(*cells, strict=True):
            coarse = [sum_cells(part, cell) for part, cell in zip(self.masses, pair, strict=True)]
            kept = [np.where(x > DROPPED * self.tol * x.sum(1, keepdims=True), x, 0.0) for x in coarse]
            found.append(Level((kept[0], kept[1]), pair, sum(information(x) for x in coarse)))
        return found

    def _coarse_end(self, level: Level, p: int) -> float:
        loss = max((sum(information(part) for part in self.masses) - level.information) / 2, 1e-9)
        by_size = self.settings.cell_growth * len(level.masses[0]) ** (2 / 3)
        return float(max(min(self.settings.cell_loss / loss, by_size, 0.7 * self.end), p))

    def _climb(self, level: Level, p: int, start: Masses, end: float, tolerance: float) -> tuple[int, Masses] | None:
        """Run stages up to the penalty `end` on a coarse level; None if one fails."""
        climb = Climb(level, p, start, self.settings)
        while True:
            if not climb.stage(tolerance):
                return None
            if climb.p >= 0.99 * end:
                return climb.p, climb.point
            climb.grow(end)

    def _last_level(self, level: Level, p: int, start: Masses) -> None:
        """Run stages up to the tolerance, certifying when that is expected to succeed."""
        climb = Climb(level, p, start, self.settings)
        end = max(self.end, p)
        most = min(MOST_EXCESS * end, LARGEST_PENALTY)
        tolerance = self.settings.tolerance[0] * min(1.0, (self.tol / TUNED_FOR) ** 0.5)
        while True:
            if not climb.stage(tolerance) and climb.p < 0.99 * end:
                return
            reached = climb.p >= 0.99 * end
            if reached or self._promising(climb):
                self._certify(climb)
                if self.best.gap_bits <= self.tol or climb.p >= 0.99 * most:
                    return
                if reached:
                    tolerance /= 2
                    end = min(climb.p * self.settings.growth, most)
            climb.grow(end)

    def _promising(self, climb: Climb) -> bool:
        """Whether the current coupling's value is within the tolerance of the best lower bound."""
        value = entropy(self.masses[0]) - log_sum(climb.pairs, climb.at)
        value += sum(float((t * log).sum()) for t, log in zip(climb.level.masses, climb.history[-1].logs, strict=True))
        return value - self.best.low <= 0.8 * self.tol * NATS_PER_BIT

    def _certify(self, climb: Climb) -> None:
        candidates = [climb.point, *(climb.extrapolated(u) for u in (0.3 / climb.p, 0.0) if len(climb.history) > 1)]
        dual = max((feasible_point(self.masses, *point) for point in candidates), key=lambda point: point.value)
        at, pairs = climb.at, climb.pairs
        kernel = at.powers.copy()
        multiply_by_values(kernel, at.first * pairs.w[:, None], at.second * pairs.v[:, None])
        primal = coupling(self.masses, kernel, at.first, at.second, missing=0.05 * self.tol)
        low = max(dual.value, self.best.low)
        self.best = self.best.improved(Certified(low, max(primal.value, low), dual, primal))
