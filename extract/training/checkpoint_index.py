"""What training leaves beside the weights: an index of every checkpoint, and the sweep that `make demo` extracts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

INDEX = "checkpoints.toml"
SWEEP = "sweep.toml"
CROSSED_PAIRS = 8
"""Questions that each picture is asked of the last model."""

_SWEEP_HEADER = """\
# What `make demo` extracts: the whole training of the first model, and the last checkpoint of every model, of which
# all layers are recorded; the last model also with crossed pairs. Made by `make demo-weights`. Paths are relative to
# this file.
"""


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint that was kept.

    Attributes:
        model: Checkpoint folder below the demo's.
        name: Name of the model in tables.
        size_b: Parameters in billions.
        stage: Stage of training.
        step: Step within the stage.
        final: Whether it is the model's last checkpoint.
    """

    model: str
    name: str
    size_b: float
    stage: str
    step: int
    final: bool

    @property
    def fields(self) -> str:
        """Its fields as lines of TOML."""
        return (
            f"model = {_text(self.model)}\nname = {_text(self.name)}\nsize_b = {self.size_b:.7f}\n"
            f"stage = {_text(self.stage)}\nstep = {self.step}\nfinal = {str(self.final).lower()}\n"
        )


def _text(value: str) -> str:
    """A text as TOML writes it, which for what a name may hold is as JSON does."""
    return json.dumps(value, ensure_ascii=False)


def index_toml(kept: Iterable[Checkpoint]) -> str:
    """Every checkpoint, one `[[checkpoint]]` each."""
    return "\n".join(f"[[checkpoint]]\n{entry.fields}" for entry in kept)


def sweep_toml(kept: Sequence[Checkpoint], cards: Iterable[str]) -> str:
    """A sweep file for `pid-extract`: the first model's series and every model's last checkpoint, on all tasks.

    The last model is also measured with crossed pairs.

    Args:
        kept: Checkpoints in the order of training.
        cards: Dataset cards, relative to the demo's folder.
    """
    chosen = [entry for entry in kept if entry.final or entry.name == kept[0].name]
    models = [f'[[models]]\n{entry.fields}layers = "{"all" if entry.final else "last"}"\n' for entry in chosen]
    models[-1] += f"crossed = {CROSSED_PAIRS}\n"
    datasets = [f'[[datasets]]\nfile = "{card}"\n' for card in cards]
    return "\n".join([_SWEEP_HEADER, *models, *datasets])


def write_index(out: Path, kept: Sequence[Checkpoint], cards: Iterable[str]) -> None:
    """Write both files into the demo's folder."""
    for name, content in ((INDEX, index_toml(kept)), (SWEEP, sweep_toml(kept, cards))):
        (out / name).write_text(content, encoding="utf-8", newline="\n")
