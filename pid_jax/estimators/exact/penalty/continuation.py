"""Penalty continuation, coarse to fine: a certified interval for one problem.

The penalised problem (`newton.py`) is solved for a growing penalty p; its certified gap is about 1 / p bits. The only
state is (A, B), so that the pairs in use can change at any time and a solution of cells starts that of their rows.
"""

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float, Int

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
from pid_jax.estimators.exact.penalty.listing import choose_pairs
from pid_jax.estimators.exact.penalty.newton import TINY, Masses, caps, half_step, solve_penalised
from pid_jax.estimators.exact.penalty.pairs import Linearised, Pairs, easy_penalty, log_sum, multiply_by_values
from pid_lvlm.data.names import NATS_PER_BIT


@dataclass(frozen=True)
class Settings:
    """How carefully the penalty grows; see `CAUTION`.

    Attributes:
        coarsest: cells of the first level.
        refinement: cells of a level per cell of the one before.
        growth: factor of the penalty from stage to stage, about.
        cell_loss: a coarse level ends at this penalty times the information lost in its cells (nats).
        cell_growth: a coarse level ends at this times the number of its cells to the power 2/3.
        list_share: pairs with less than this share are not listed, at the start of a level and later.
        tolerance: of the marginals at the last level and at the others.
        steps: Newton steps per stage at most.
    """

    coarsest: int = 128
    refinement: int = 3
    growth: float = 1.5
    cell_loss: float = 4.0
    cell_growth: float = 12.0
    list_share: tuple[float, float] = (1e-4, 1e-5)
    tolerance: tuple[float, float] = (1.5e-2, 2e-2)
    steps: int = 12


CAUTION: Final = (
    Settings(),
    Settings(cell_loss=1.3, cell_growth=4.0, tolerance=(5e-3, 1e-2)),
    Settings(cell_loss=1.0, cell_growth=2.0, growth=1.3, list_share=(3e-5, 3e-6), tolerance=(3e-3, 5e-3), steps=30),
    Settings(coarsest=10**9, growth=1.3, list_share=(1e-5, 1e-6), tolerance=(1e-3, 2e-3), steps=60),
)
"""Tried one after the other until one reaches the tolerance."""

FIRST_PENALTY: Final = 34
LARGEST_PENALTY: Final = 3e5

MOST_EXCESS: Final = 6.0
"""A run ends without success at this times the penalty that was expected to suffice."""

TUNED_FOR: Final = 1e-3
"""Tolerance, in bits, that the settings were chosen for; the marginals follow the root of a smaller one."""

LAST_PENALTY: Final = 1.2
"""The penalty that is expected to suffice, times the tolerance in bits."""

DROPPED: Final = 3e-3
"""Labels with less than this times the tolerance of their row are left out of the iterations, not of the bounds."""

FAILED: Final = 0.05
"""Residual of the marginals from which on a stage has failed."""


class Certified(NamedTuple):
    """An interval that holds I_q, nats, with the points that prove it.

    Attributes:
        low: lower bound, not below I1 and I2.
        high: upper bound, not above H(Y) and I1 + I2.
        dual: the feasible dual point.
        primal: the coupling; None where no iteration was needed.
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
        """The best of both on each side."""
        dual = self.dual if self.dual.value >= other.dual.value else other.dual
        known = [one.primal for one in (self, other) if one.primal is not None]
        primal = min(known, key=lambda one: one.value, default=None)
        return Certified(max(self.low, other.low), min(self.high, other.high), dual, primal)


class Level(NamedTuple):
    """A problem of cells: what the iterations see, and the cell of every row of the whole problem."""

    masses: Masses
    cells: tuple[Int[np.ndarray, " n1"], Int[np.ndarray, " n2"]]
    information: float


class Stage(NamedTuple):
    """A solved penalty."""

    p: int
    logs: Masses


def solve_continuation(
    first: Float[np.ndarray, "n1 k"], second: Float[np.ndarray, "n2 k"], tol_bits: float
) -> Certified:
    """A certified interval of at most `tol_bits` where one can be reached.

    Args:
        first: joint masses P of source 1 and the label, float64, every row above 0.
        second: R, those of source 2, with the same column sums.
        tol_bits: how wide the interval may be, bits.
    """
    masses = (first, second)
    best = trivial(masses)
    with np.errstate(all="ignore"):  # a stage that fails may overflow; the bounds count finite numbers only
        for settings in CAUTION:
            if best.gap_bits <= tol_bits:
                break
            best = _Run(masses, tol_bits, settings, best).solve()
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
    """One pass through the levels with one choice of settings."""

    def __init__(self, masses: Masses, tol_bits: float, settings: Settings, best: Certified) -> None:
        self.masses, self.tol, self.best = masses, tol_bits, best
        looser = min(max(tol_bits / 2e-4, 1.0), 10.0)
        self.settings = replace(settings, list_share=tuple(share * looser for share in settings.list_share))
        self.end = LAST_PENALTY / tol_bits

    def solve(self) -> Certified:
        """The best interval known after the last level."""
        levels = self._levels()
        before: tuple[Level, tuple[int, Masses]] | None = None
        for number, level in enumerate(levels):
            last = number == len(levels) - 1
            if before is None:
                p, (a, b) = FIRST_PENALTY, _conditionals(level.masses)
            else:
                p, (a, b) = before[1]
                a, b = _lift(before[0], level, p, (a, b), self.settings.list_share[0])
            if last:
                self._last_level(level, p, (a, b))
            else:
                reached = self._climb(level, p, (a, b), self._coarse_end(level, p), self.settings.tolerance[1])
                if reached is None:
                    break
                before = (level, reached)
        return self.best

    def _levels(self) -> list[Level]:
        most = max(len(part) for part in self.masses)
        sizes, size = [], self.settings.coarsest
        while 2 * size <= most:
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

    def _climb(
        self, level: Level, p: int, start: Masses, end: float, tolerance: float
    ) -> tuple[int, Masses] | None:
        """Stages up to the penalty `end` on a coarse level; None if one fails."""
        climb = _Climb(level, p, start, self.settings)
        while True:
            if not climb.stage(tolerance):
                return None
            if climb.p >= 0.99 * end:
                return climb.p, climb.point
            climb.grow(end)

    def _last_level(self, level: Level, p: int, start: Masses) -> None:
        """Stages up to the tolerance; a certificate where one is expected to succeed."""
        climb = _Climb(level, p, start, self.settings)
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

    def _promising(self, climb: "_Climb") -> bool:
        """Whether the value of the coupling at hand is within the tolerance of the best lower bound."""
        value = entropy(self.masses[0]) - log_sum(climb.pairs, climb.at)
        value += sum(float((t * log).sum()) for t, log in zip(climb.level.masses, climb.history[-1].logs, strict=True))
        return value - self.best.low <= 0.8 * self.tol * NATS_PER_BIT

    def _certify(self, climb: "_Climb") -> None:
        candidates = [climb.point, *(climb.extrapolated(u) for u in (0.3 / climb.p, 0.0) if len(climb.history) > 1)]
        dual = max((feasible_point(self.masses, *point) for point in candidates), key=lambda point: point.value)
        at, pairs = climb.at, climb.pairs
        kernel = at.powers.copy()
        multiply_by_values(kernel, at.first * pairs.w[:, None], at.second * pairs.v[:, None])
        primal = coupling(self.masses, kernel, at.first, at.second, missing=0.05 * self.tol)
        low = max(dual.value, self.best.low)
        self.best = self.best.improved(Certified(low, max(primal.value, low), dual, primal))


class _Climb:
    """Stages of growing penalty at one level.

    Attributes:
        p: the penalty of the last or the next stage.
        at: the last point, linearised.
        history: the last three stages.
    """

    at: Linearised

    def __init__(self, level: Level, p: int, start: Masses, settings: Settings) -> None:
        self.level, self.p, self.point, self.settings = level, p, start, settings
        self.history: list[Stage] = []
        self.pairs: Pairs = choose_pairs(*level.masses, *start, p, settings.list_share[0])
        self.damping = 0.0

    def stage(self, tolerance: float) -> bool:
        """Solve at the penalty p; whether the marginals came right."""
        solved = solve_penalised(
            self.pairs, self.level.masses, self._guess(), self.p, tolerance, self.settings.steps, self.damping
        )
        self.at, self.damping = solved.at, solved.damping
        self.point = (solved.at.first.astype(np.float64), solved.at.second.astype(np.float64))
        logs = tuple(np.log(np.maximum(x, TINY)) for x in self.point)
        self.history = [*self.history[-2:], Stage(self.p, (logs[0], logs[1]))]
        return solved.residual < FAILED

    def grow(self, end: float) -> None:
        """To the next penalty, in equal steps up to `end`."""
        steps = max(1.0, np.ceil(np.log(end / self.p) / np.log(self.settings.growth) - 0.15))
        self.p = easy_penalty(self.p * max((end / self.p) ** (1 / steps), 1.2))
        self.pairs = choose_pairs(*self.level.masses, *self.point, self.p, self.settings.list_share[1], self.pairs)

    def extrapolated(self, u: float, order: int = 1) -> Masses:
        """A and B at 1/p = u: a polynomial in 1/p through the last stages."""
        stages = self.history[-order - 1 :]
        places = [1 / stage.p for stage in stages]
        shares = [np.prod([(u - other) / (one - other) for other in places if other != one]) for one in places]
        found = []
        for side, target in enumerate(self.level.masses):
            last = stages[-1].logs[side]
            moved = sum(share * stage.logs[side] for share, stage in zip(shares, stages, strict=True)) - last
            found.append(np.where(target > 0, np.exp(last + np.clip(moved, -0.5, 0.5)), 0.0))
        return found[0], found[1]

    def _guess(self) -> Masses:
        """Extrapolated where that does not put far too much mass on some row or column."""
        for order in range(min(2, len(self.history) - 1), 0, -1):
            guess = self.extrapolated(1 / self.p, order)
            at = self.pairs.linearise(*guess, self.p, None)
            sums = zip((at.rows, at.columns), self.level.masses, strict=True)
            if max((found.sum(1) / target.sum(1)).max() for found, target in sums) < 8:
                return guess
        return self.point


def _conditionals(masses: Masses) -> Masses:
    root = np.sqrt(masses[0].sum(0))
    a, b = (part / part.sum(1, keepdims=True) / np.where(root > 0, root, 1.0) for part in masses)
    return a, b


def _lift(before: Level, level: Level, p: int, solution: Masses, share: float) -> Masses:
    """Every row by itself against the cells of the other side, from the values of its own cell."""
    found = []
    for side in (0, 1):
        parent = np.zeros(len(level.masses[side]), np.int64)
        parent[level.cells[side]] = before.cells[side]
        start = np.where(level.masses[side] > 0, solution[side][parent], 0.0)
        masses = (level.masses[0], before.masses[1]) if side == 0 else (before.masses[0], level.masses[1])
        point = (start, solution[1]) if side == 0 else (solution[0], start)
        pairs = choose_pairs(*masses, *point, p, share)
        at = pairs.linearise(*point, p, None)
        for _ in range(3):
            at = half_step(pairs, masses, at, side)
            capped = [
                np.minimum(x, cap) if number == side else x
                for number, (x, cap) in enumerate(zip((at.first, at.second), caps(at), strict=True))
            ]
            if (capped[side] < (at.first, at.second)[side]).any():
                at = pairs.linearise(*capped, at.p, None)
        found.append(np.asarray((at.first, at.second)[side], np.float64))
    return found[0], found[1]
