"""Tables laid out for reading: few digits, values with their spread, what matters in bold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from pid_lvlm.analysis.frames.labels import LEGEND, bits
from pid_lvlm.data.names import ATOMS

_UNKNOWN: Final = "–"


@dataclass(frozen=True)
class Cell:
    """Text of one cell and its CSS classes."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class PageTable:
    """Headings and rows; the first `names` columns are text, the others numbers."""

    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    names: int


def summary_table(summary: pl.DataFrame) -> PageTable:
    """Model, dataset, the four atoms with their spread (the largest in bold), total information, accuracies.

    Circular accuracy has a column only if a benchmark has rotations.
    """
    circular = ["circular accuracy"] if summary["accuracy_circular"].is_not_null().any() else []
    atoms_to_accuracy = [*LEGEND.values(), "I(X1,X2;Y)", "accuracy"]
    headings = ["model", "dataset", *atoms_to_accuracy, *circular, "vision gain", "test rows"]
    return PageTable(headings, [_summary_row(row, bool(circular)) for row in summary.to_dicts()], names=2)


def ground_truth_table(ground_truth: pl.DataFrame) -> PageTable:
    """Model, dataset, true and estimated value of each atom, and whether the atoms that decide are within tolerance."""
    headings = ["model", "dataset", *LEGEND.values(), "tolerance", "verdict"]
    groups = ground_truth.partition_by("run", "model", "dataset", maintain_order=True)
    return PageTable(headings, [_ground_truth_row(group.to_dicts()) for group in groups], names=2)


def plain_table(frame: pl.DataFrame) -> PageTable:
    """Every column as it is, numbers to three decimals."""
    names = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    ordered = frame.select(*names, *(name for name in frame.columns if name not in names))
    headings = [name.replace("_", " ") for name in ordered.columns]
    return PageTable(headings, [[Cell(_plain(value)) for value in row] for row in ordered.rows()], names=len(names))


def _summary_row(row: dict[str, Any], circular: bool) -> list[Cell]:
    largest = max(ATOMS, key=lambda atom: row[atom])
    return [
        Cell(row["model"]),
        Cell(row["dataset"]),
        *(Cell(_spread(row[atom], row[f"{atom}_sd"]), "strong" if atom == largest else "") for atom in ATOMS),
        Cell(bits(row["i_joint"])),
        Cell(_percent(row["accuracy"])),
        *([Cell(_percent(row["accuracy_circular"]))] if circular else []),
        Cell(_percent(row["d_vision"])),
        Cell(str(row["num_test"])),
    ]


def _ground_truth_row(atoms: list[dict[str, Any]]) -> list[Cell]:
    judged = [atom for atom in atoms if atom["judged"]]
    within = all(atom["within"] for atom in judged)
    return [
        Cell(atoms[0]["model"]),
        Cell(atoms[0]["dataset"]),
        *(_ground_truth_cell(atom) for atom in atoms),
        Cell(f"± {bits(atoms[0]['tolerance'])}"),
        Cell("within" if within else "off", "good" if within else "bad"),
    ]


def _ground_truth_cell(atom: dict[str, Any]) -> Cell:
    styles = [name for name, applies in (("strong", atom["judged"]), ("bad", not atom["within"])) if applies]
    return Cell(f"{bits(atom['ground_truth'])} → {bits(atom['estimated'])}", " ".join(styles))


def _spread(value: float, deviation: float | None) -> str:
    return bits(value) if deviation is None else f"{bits(value)} ± {bits(deviation)}"


def _percent(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{100 * value:.1f} %"


def _plain(value: object) -> str:
    if value is None:
        return _UNKNOWN
    return f"{value:.3f}" if isinstance(value, float) else str(value)
