"""Stages of growing penalty at one level of cells, and the step to the next finer level."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from pid_jax.estimators.exact.penalty.listing import choose_pairs
from pid_jax.estimators.exact.penalty.newton import TINY, Masses, caps, half_step, solve_penalised
from pid_jax.estimators.exact.penalty.pairs import Linearised, Pairs, easy_penalty

FAILED: Final = 0.05
"""A stage has failed if its marginals have at least this residual."""


@dataclass(frozen=True)
class Settings:
    """How cautiously the penalty grows; the defaults nearly always suffice.

    Attributes:
        coarsest: number of cells at the first level.
        refinement: ratio of cells between successive levels.
        growth: approximate factor of the penalty from stage to stage.
        cell_loss: a coarse level ends when penalty times information lost in its cells (nats) reaches this.
        cell_growth: a coarse level ends when the penalty reaches this times its number of cells to the power 2/3.
        list_share: pairs below this share are not listed, at the start of a level and later.
        tolerance: tolerance of the marginals at the last level and at the others.
        steps: maximum Newton steps per stage.
    """

    coarsest: int = 128
    refinement: int = 3
    growth: float = 1.5
    cell_loss: float = 4.0
    cell_growth: float = 12.0
    list_share: tuple[float, float] = (1e-4, 1e-5)
    tolerance: tuple[float, float] = (1.5e-2, 2e-2)
    steps: int = 12


class Level(NamedTuple):
    """A problem of cells as the iterations see it, and the cell of each row of the whole problem."""

    masses: Masses
    cells: tuple[Int[np.ndarray, " n1"], Int[np.ndarray, " n2"]]
    information: float


class Stage(NamedTuple):
    """A solved penalty."""

    p: int
    logs: Masses


class Climb:
    """Stages of growing penalty at one level.

    Attributes:
        p: the penalty of the last or next stage.
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
        """Solve at the penalty p; returns whether the marginals are right."""
        solved = solve_penalised(
            self.pairs, self.level.masses, self._guess(), self.p, tolerance, self.settings.steps, self.damping
        )
        self.at, self.damping = solved.at, solved.damping
        self.point = (solved.at.first.astype(np.float64), solved.at.second.astype(np.float64))
        logs = tuple(np.log(np.maximum(x, TINY)) for x in self.point)
        self.history = [*self.history[-2:], Stage(self.p, (logs[0], logs[1]))]
        return solved.residual < FAILED

    def grow(self, end: float) -> None:
        """Go to the next penalty, in equal steps up to `end`."""
        steps = max(1.0, np.ceil(np.log(end / self.p) / np.log(self.settings.growth) - 0.15))
        self.p = easy_penalty(self.p * max((end / self.p) ** (1 / steps), 1.2))
        self.pairs = choose_pairs(*self.level.masses, *self.point, self.p, self.settings.list_share[1], self.pairs)

    def extrapolated(self, u: float, order: int = 1) -> Masses:
        """A and B at 1/p = u, from a polynomial in 1/p through the last stages."""
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
        """Extrapolate unless that puts far too much mass on some row or column."""
        for order in range(min(2, len(self.history) - 1), 0, -1):
            guess = self.extrapolated(1 / self.p, order)
            at = self.pairs.linearise(*guess, self.p, None)
            sums = zip((at.rows, at.columns), self.level.masses, strict=True)
            if max((found.sum(1) / target.sum(1)).max() for found, target in sums) < 8:
                return guess
        return self.point


def conditionals(masses: Masses) -> Masses:
    """A and B to start from: p(y|x) over the root of P(Y)."""
    root = np.sqrt(masses[0].sum(0))
    a, b = (part / part.sum(1, keepdims=True) / np.where(root > 0, root, 1.0) for part in masses)
    return a, b


def lift(
    before: Level,
    level: Level,
    p: int,
    solution: tuple[Float[np.ndarray, "c1 k"], Float[np.ndarray, "c2 k"]],
    share: float,
) -> Masses:
    """Each row separately against the cells of the other side, starting from the values of its own cell."""
    found = []
    for side in (0, 1):
        parent = np.zeros(len(level.masses[side]), np.int64)
        parent[level.cells[side]] = before.cells[side]
        start = np.where(level.masses[side] > 0, solution[side][parent], 0.0)
        masses: Masses = (level.masses[0], before.masses[1]) if side == 0 else (before.masses[0], level.masses[1])
        point: Masses = (start, solution[1]) if side == 0 else (solution[0], start)
        pairs = choose_pairs(*masses, *point, p, share)
        at = pairs.linearise(*point, p, None)
        for _ in range(3):
            at = half_step(pairs, masses, at, side)
            most = caps(at)[side]
            if ((at.first, at.second)[side] > most).any():
                first, second = at.first, at.second
                capped: Masses = (np.minimum(first, most), second) if side == 0 else (first, np.minimum(second, most))
                at = pairs.linearise(*capped, at.p, None)
        found.append(np.asarray((at.first, at.second)[side], np.float64))
    return found[0], found[1]
