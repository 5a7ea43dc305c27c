"""Files that training writes in addition to the weights: an index of all checkpoints, and the sweep for `make demo`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

INDEX = "checkpoints.toml"
SWEEP = "sweep.toml"
CROSSED_PAIRS = 8
"""Questions asked about each picture, for the one model that is measured with crossed pairs."""
SERIES_DATASETS = ("demo-fusion", "demo-sight", "demo-blend")
SERIES_ITEMS = 384
SERIES_STEP = 100
"""Checkpoints before the last: those at multiples of this step, on fewer datasets and items, so that the demo takes
minutes."""

_SWEEP_HEADER = """\
# What `make demo` extracts: the last checkpoint of every model at all layers, one of them also with crossed pairs, and
# some earlier ones on fewer datasets and items. Made by `make demo-weights`. Paths are relative to this file.
"""


@dataclass(frozen=True)
class Checkpoint:
    """One saved checkpoint.

    Attributes:
        model: Checkpoint folder, relative to the demo's.
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
    """A text as a TOML string, which for valid names is the same as in JSON."""
    return json.dumps(value, ensure_ascii=False)


def index_toml(kept: Iterable[Checkpoint]) -> str:
    """All checkpoints, one `[[checkpoint]]` each."""
    return "\n".join(f"[[checkpoint]]\n{entry.fields}" for entry in kept)


def sweep_toml(kept: Sequence[Checkpoint], cards: Iterable[str], crossed: str) -> str:
    """A sweep file for `pid-extract`: the last checkpoint of each model on all tasks and layers, and some before it.

    Args:
        kept: Checkpoints in the order of training.
        cards: Dataset cards, relative to the demo's folder.
        crossed: Name of the model whose last checkpoint is also measured with crossed pairs.
    """
    names = ", ".join(_text(name) for name in SERIES_DATASETS)
    series = f'layers = "last"\nlimit = {SERIES_ITEMS}\ndatasets = [{names}]\n'
    models = []
    for entry in kept:
        if not entry.final and entry.step % SERIES_STEP:
            continue
        more = f"crossed = {CROSSED_PAIRS}\n" if entry.name == crossed else ""
        models.append(f"[[models]]\n{entry.fields}" + (f'layers = "all"\n{more}' if entry.final else series))
    datasets = [f'[[datasets]]\nfile = "{card}"\n' for card in cards]
    return "\n".join([_SWEEP_HEADER, *models, *datasets])


def write_index(out: Path, kept: Sequence[Checkpoint], cards: Iterable[str], crossed: str) -> None:
    """Write both files into the demo's folder."""
    for name, content in ((INDEX, index_toml(kept)), (SWEEP, sweep_toml(kept, cards, crossed))):
        (out / name).write_text(content, encoding="utf-8", newline="\n")
