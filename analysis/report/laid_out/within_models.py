"""Tables within models, laid out for reading."""

from collections.abc import Callable
from typing import Any

import polars as pl

from pid_lvlm.analysis.frames.labels import SYMBOLS, bits, interval, rounded_up
from pid_lvlm.analysis.frames.onset import REACHED
from pid_lvlm.analysis.report.laid_out.display import Cell, PageTable
from pid_lvlm.data.names import ATOMS

_UNKNOWN = "–"


def layer_phases_table(phases: pl.DataFrame) -> PageTable:
    """Model, dataset, where synergy emerges, where S and U2 peak, and what the last step does to each atom."""
    steps = [f"Δ{SYMBOLS[atom]}" for atom in ATOMS]
    headings = ["model", "dataset", "layers", "S emerges", "S peaks", "U2 peaks", "last step", *steps]
    rows = [
        [
            *(row["model"], row["dataset"], str(row["layers"])),
            _layer(row, "synergy_emerges"),
            *(_peak(row, atom) for atom in ("synergy", "unique_language")),
            _UNKNOWN if row["before_output"] is None else f"{row['before_output']} → {row['num_layers']}",
            *(_signed(row[f"{atom}_change"]) for atom in ATOMS),
        ]
        for row in phases.to_dicts()
    ]
    return _page_table(headings, rows, names=2)


def onset_table(onsets: pl.DataFrame) -> PageTable:
    """Model, dataset, the onset of each atom with its value and interval, checkpoints and stages.

    A model with one checkpoint on a dataset has no row: it would only say that a second one is missing.
    """
    headings = ["model", "dataset", *(SYMBOLS[atom] for atom in reversed(ATOMS)), "checkpoints", "stages"]
    rows = []
    for group in onsets.filter(pl.col("checkpoints") > 1).partition_by("model", "dataset", maintain_order=True):
        of_atom = {row["atom"]: row for row in group.to_dicts()}
        first = group.row(0, named=True)
        rows.append(
            [
                *(first["model"], first["dataset"]),
                *(_onset(of_atom[atom]) if atom in of_atom else _UNKNOWN for atom in reversed(ATOMS)),
                *(str(first["checkpoints"]), str(first["stages"])),
            ]
        )
    return _page_table(headings, rows, names=2 + len(ATOMS))


def ablations_table(ablations: pl.DataFrame) -> PageTable:
    """Model, dataset, estimator and one column per setting, in bits to three decimals."""
    names = ["model", "dataset", "estimator"]
    values = ablations.columns[len(names) :]
    rows = [
        [*(row[name] for name in names), *(_known(row[name], "{:.3f}".format) for name in values)]
        for row in ablations.to_dicts()
    ]
    return _page_table(ablations.columns, rows, names=len(names))


def interval_meanings_table(meanings: pl.DataFrame) -> PageTable:
    """Interval, what it covers and what it does not, its estimators, and its width."""
    headings = ["interval", "covers", "does not cover", "estimators", "rows", "median width", "largest width"]
    rows = [
        [
            *(row[name] for name in ("interval", "covers", "not_covered", "estimators")),
            str(row["rows"]),
            *(_known(row[name], rounded_up) for name in ("median_width", "largest_width")),
        ]
        for row in meanings.to_dicts()
    ]
    return _page_table(headings, rows, names=4)


def surviving_conclusions_table(conclusions: pl.DataFrame) -> PageTable:
    """Dataset, conclusion, and how many of the cases survive each other measure."""
    others = ("survive_mmi", "survive_imin", "survive_both")
    headings = ["dataset", "conclusion", "models", "cases", "hold by MMI", "by I_min", "by both", "τ MMI", "τ I_min"]
    rows = [
        [
            *(row["dataset"], row["conclusion"], str(row["num_models"]), str(row["cases"])),
            *(_of(row[name], row["cases"]) for name in others),
            *(_known(row[f"kendall_{name}"], bits) for name in ("mmi", "imin")),
        ]
        for row in conclusions.to_dicts()
    ]
    return _page_table(headings, rows, names=2)


def _page_table(headings: list[str], rows: list[list[str]], names: int) -> PageTable:
    return PageTable(headings, [[Cell(text) for text in row] for row in rows], names)


def _onset(row: dict[str, Any]) -> str:
    if row["missing"]:
        return f"{row['verdict']}: {row['missing']}"
    if row["value"] is None:
        return row["verdict"]
    place = " ".join(str(part) for part in (row["stage"], row["step"]) if part is not None)
    said = "" if row["verdict"] == REACHED else f" ({row['verdict']})"
    change = "" if row["change"] is None else f"; Δ {_signed(row['change'])} {_signed_interval(row)}"
    return f"{place}{said}: {bits(row['value'])} {interval(row['low'], row['high'])}{change}"


def _signed_interval(row: dict[str, Any]) -> str:
    return f"[{_signed(row['change_low'])}, {_signed(row['change_high'])}]"


def _peak(row: dict[str, Any], atom: str) -> str:
    value = row[f"{atom}_peak_bits"]
    return _UNKNOWN if value is None else f"{_layer(row, f'{atom}_peak')}: {bits(value)}"


def _layer(row: dict[str, Any], name: str) -> str:
    """A layer and its relative depth in the model."""
    return _UNKNOWN if row[name] is None else f"{row[name]} ({row[f'{name}_depth']:.0%})"


def _of(count: int, total: int) -> str:
    return f"{count} ({count / total:.0%})" if total else _UNKNOWN


def _signed(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{round(value, 2) + 0.0:+.2f}"


def _known(value: float | None, show: Callable[[float], str]) -> str:
    return _UNKNOWN if value is None else show(value)
