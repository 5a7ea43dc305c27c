"""Run folders, result table and table of atoms per item of a few questions whose scores are known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pid_lvlm import data
from pid_lvlm.data.contract.table.item_table import ITEM_COLUMNS
from pid_lvlm.data.contract.table.result_table import POLARS_TYPES
from pid_lvlm.data.names import ATOMS

DOT = b"\x89PNG\r\n\x1a\n" + b"dot"
"""As much of a picture as anybody looks at here."""


@dataclass(frozen=True)
class KeptItem:
    sample_id: str
    question: str
    options: tuple[str, ...]
    label: int = 0
    thumbnail: bytes | None = DOT
    hint: str = ""


def probabilities(*rows: Sequence[float]) -> np.ndarray:
    """Log-likelihoods (conditions, options) of probabilities; missing conditions are uniform."""
    flat = [1 / len(rows[0])] * len(rows[0])
    return np.log(np.array([*rows, *[flat] * (4 - len(rows))]))


def write_scores(folder: Path, model: str, loglik: Sequence[np.ndarray], labels: Sequence[int], **fields: Any) -> Path:
    """A run folder on the dataset `toy` with the items `q0`, `q1`, …"""
    number = len(labels)
    return data.write_run(
        folder / f"{model}__toy",
        model=model,
        dataset=fields.pop("dataset", "toy"),
        loglik=np.stack(loglik),
        x1=np.eye(number),
        x2=np.eye(number),
        label=labels,
        sample_id=[f"q{number}" for number in range(number)],
        **fields,
    )


def item_rows(problem: str, run: str, atoms: Sequence[Sequence[float]], layer: int = 1) -> pl.DataFrame:
    """Rows of the table of atoms per item."""
    place = {"problem_id": problem, "run": run, "layer": layer, "tau": 0.3}
    rows = [
        place | {"sample_id": f"q{number}"} | dict(zip(ATOMS, values, strict=True))
        for number, values in enumerate(atoms)
    ]
    return pl.DataFrame(rows, schema={name: POLARS_TYPES[kind] for name, kind in ITEM_COLUMNS.items()})


def means(atoms: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """The atoms of the whole, as the result table has them."""
    return tuple(float(value) for value in np.mean(atoms, axis=0))


def reader(kept: Mapping[str, KeptItem]):
    """In place of `pid_lvlm.data.read_items`."""
    return lambda _folder, ids=None: {name: item for name, item in kept.items() if ids is None or name in ids}
