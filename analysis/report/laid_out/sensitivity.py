"""Tables of the ablations laid out for reading."""

from typing import Any

import polars as pl

from pid_lvlm.analysis.frames.labels import LEGEND, SYMBOLS, bits, interval, p_value
from pid_lvlm.analysis.frames.sensitivity import CHANGES
from pid_lvlm.analysis.report.laid_out.display import Cell, PageTable
from pid_lvlm.data.names import ATOMS

_UNKNOWN = "–"


def sensitivity_table(frame: pl.DataFrame) -> PageTable:
    """Model, dataset, ablation, and each atom with its interval and its rank among models."""
    ranked = frame["model"].n_unique() > 1
    headings = ["model", "dataset", "ablation", *LEGEND.values(), "rows"]
    rows = [
        [
            *(Cell(row["model"]), Cell(row["dataset"]), Cell(_ablation(row))),
            *(Cell(_atom(row, atom, ranked), "strong" if atom == _largest(row) else "") for atom in ATOMS),
            Cell(f"{row['num_test']:,}"),
        ]
        for row in frame.to_dicts()
    ]
    return PageTable(headings, rows, names=3)


def sensitivity_conclusions_table(frame: pl.DataFrame) -> PageTable:
    """What is concluded under both ablations; those that change in bold."""
    headings = ["dataset", "model", "conclusion", "under", "is", "and under", "is", "verdict"]
    names = ("conclusion", "reference", "by_reference", "ablation", "by_ablation")
    rows = [
        [
            *(Cell(row["dataset"]), Cell(row["model"] or "over models")),
            *(Cell(row[name]) for name in names),
            Cell(row["verdict"], "strong" if row["verdict"] == CHANGES else ""),
        ]
        for row in frame.to_dicts()
    ]
    return PageTable(headings, rows, names=len(headings))


def sensitivity_ranks_table(frame: pl.DataFrame) -> PageTable:
    """One row per dataset and two ablations, Spearman's ρ of each atom with its p."""
    groups = frame.partition_by("dataset", "ablation", "other", maintain_order=True)
    rows = []
    for group in groups:
        found = {row["atom"]: row for row in group.to_dicts()}
        named = group.row(0, named=True)
        cells = [Cell(_correlation(found.get(symbol))) for symbol in SYMBOLS.values()]
        rows.append([*(Cell(named[name]) for name in ("dataset", "ablation", "other")), *cells, _models(group)])
    return PageTable(["dataset", "ablation", "other", *SYMBOLS.values(), "models"], rows, names=3)


def _ablation(row: dict[str, Any]) -> str:
    return row["ablation"] if row["pairs"] is None else f"{row['ablation']} ({row['pairs']} questions per picture)"


def _largest(row: dict[str, Any]) -> str:
    known = [atom for atom in ATOMS if row[atom] is not None]
    return max(known, key=lambda atom: row[atom]) if known else ""


def _atom(row: dict[str, Any], atom: str, ranked: bool) -> str:
    if row[atom] is None:
        return _UNKNOWN
    rank = f" · rank {row[f'{atom}_rank']}" if ranked else ""
    return f"{bits(row[atom])} {interval(row[f'{atom}_low'], row[f'{atom}_high'])}".rstrip() + rank


def _correlation(row: dict[str, Any] | None) -> str:
    if row is None or row["rho"] is None:
        return _UNKNOWN
    return f"{row['rho']:.2f}" + ("" if row["p"] is None else f" ({p_value(row['p'])})")


def _models(group: pl.DataFrame) -> Cell:
    counts = sorted(set(group["num_models"].to_list()))
    return Cell(str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}")
