"""How fast a stage trains, and how long it still takes."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pid_lvlm.data.files import write_atomic

FILE: Final = "speed.json"
MEASURED: Final = 10
"""Number of steps after which the time left is known."""


@dataclass(frozen=True)
class Speed:
    """Speed of a stage on all devices together, including checkpoints and the held-out loss.

    Attributes:
        steps: number of measured steps: all of this call except the first, which takes longer.
        seconds: time they took.
        tokens_per_second: tokens of records per second, including pictures but not padding.
        records_per_second: records per second.
    """

    steps: int
    seconds: float
    tokens_per_second: float
    records_per_second: float


@dataclass
class Clock:
    """Measures a stage after its first step.

    Attributes:
        tokens: tokens of the records of each step of the stage, shape (steps,).
        batch: records per step.
    """

    tokens: NDArray[np.int64]
    batch: int
    _first: tuple[int, float] | None = field(default=None, init=False)

    def start(self, step: int) -> None:
        """Start the clock after a step; later calls have no effect."""
        if self._first is None:
            self._first = (step, time.monotonic())

    def speed(self, step: int) -> Speed | None:
        """The speed up to a step; None before two steps."""
        if self._first is None or step <= self._first[0]:
            return None
        first, begun = self._first
        seconds = max(time.monotonic() - begun, 1e-9)
        steps = step - first
        tokens = int(self.tokens[first:step].sum())
        return Speed(steps, seconds, tokens / seconds, steps * self.batch / seconds)

    def seconds_left(self, step: int) -> float | None:
        """Time left in the stage; None before ten steps were measured."""
        speed = self.speed(step)
        if speed is None or speed.steps < MEASURED:
            return None
        return speed.seconds / speed.steps * (len(self.tokens) - step)


def write_speed(out: Path, stage: str, speed: Speed | None, devices: int) -> None:
    """Write a stage's speed into the file next to the checkpoints, unless it was too short to measure."""
    if speed is None:
        return
    path = out / FILE
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known[stage] = {"devices": devices, **asdict(speed)}
    write_atomic(path, (json.dumps(known, indent=2) + "\n").encode())
