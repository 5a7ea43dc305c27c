"""The table of losses next to the checkpoints: one JSON object per logged step."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pid_lvlm.data.command.shown import shown_path
from pid_lvlm.data.files import write_atomic
from pid_lvlm.extract.training.two_stage.errors import ResumeError

LOSSES: Final = "losses.jsonl"


class LossTable:
    """The table of a training.

    Each row has `stage`, `step` (within the stage), `loss` (nats per answer token, the mean over the steps since the
    previous row), `held_out_loss` (the same over the held-out records, at checkpoints), `learning_rate` and
    `grad_norm` (before clipping). Unknown values are null.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []
        if path.exists():
            lines = path.read_text(encoding="utf-8").split("\n")
            try:
                self.rows = [
                    dict(json.loads(line)) for line in lines[:-1]
                ]  # an incomplete row may follow the last line end
            except ValueError:
                message = f"`{shown_path(path)}` is damaged: a line of it is not JSON; choose another --out"
                raise ResumeError(message) from None

    def forget_after(self, stage: str, step: int, later: tuple[str, ...]) -> None:
        """Drop rows that an interrupted training had logged after the state from which it continues."""
        self.rows = [
            row for row in self.rows if row["stage"] not in later and (row["stage"] != stage or row["step"] <= step)
        ]
        write_atomic(self.path, "".join(map(_line, self.rows)).encode())

    def add(self, stage: str, step: int, logs: Mapping[str, Any], held_out: float | None) -> None:
        """Add a row."""
        row = {
            "stage": stage,
            "step": step,
            "loss": _number(logs.get("loss")),
            "held_out_loss": _number(held_out),
            "learning_rate": _number(logs.get("learning_rate")),
            "grad_norm": _number(logs.get("grad_norm")),
        }
        self.rows.append(row)
        with self.path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(_line(row))


def _number(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row) + "\n"
