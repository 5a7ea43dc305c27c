"""Tables over models, laid out for reading: an estimate with its interval in one cell."""

from typing import Any

import polars as pl

from pid_lvlm.analysis.frames.labels import bits, interval, p_value
from pid_lvlm.analysis.frames.over_models.correlates import QUANTITIES
from pid_lvlm.analysis.report.laid_out.display import Cell, PageTable

_UNKNOWN = "–"


def regimes_table(frame: pl.DataFrame) -> PageTable:
    """Dataset, regime, the mean shares of S and U2 and their difference with intervals, number of models."""
    headings = ["dataset", "regime", "S (%)", "U2 (%)", "S − U2 (points)", "models"]
    rows = [
        [
            Cell(row["dataset"]),
            Cell(row["regime"]),
            *(Cell(_share(row, name)) for name in ("synergy", "unique_language", "difference")),
            Cell(_models(row)),
        ]
        for row in frame.to_dicts()
    ]
    return PageTable(headings, rows, names=2)


def correlations_table(frame: pl.DataFrame) -> PageTable:
    """One row per dataset, one column per quantity: rho with its interval and p; in bold where p is below 0.05."""
    shown = [name for name in QUANTITIES if name in frame["column"].to_list()]
    groups = frame.partition_by("dataset", maintain_order=True)
    rows = [
        [
            Cell(group.item(0, "dataset")),
            *(_correlation(group.filter(pl.col("column") == name).row(0, named=True)) for name in shown),
            Cell(_counts(group["num_models"].to_list())),
        ]
        for group in groups
    ]
    return PageTable(["dataset", *(QUANTITIES[name] for name in shown), "models"], rows, names=1)


def scaling_table(frame: pl.DataFrame) -> PageTable:
    """Family, sizes, and the three changes in percentage points."""
    headings = ["family", "from → to (1e9 parameters)", "Δ accuracy", "Δ S share", "Δ U2 share", "datasets"]
    changes = ("delta_accuracy", "delta_synergy", "delta_unique_language")
    rows = [
        [
            Cell(row["family"]),
            Cell(f"{row['from_size']:g} → {row['to_size']:g}"),
            *(Cell(f"{round(row[name], 1) + 0.0:+.1f}") for name in changes),
            Cell(str(row["num_datasets"])),
        ]
        for row in frame.to_dicts()
    ]
    return PageTable(headings, rows, names=2)


def _share(row: dict[str, Any], name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    value = f"{round(row[name], 1) + 0.0:.1f}"
    return value if low is None or high is None else f"{value} [{low:.1f}, {high:.1f}]"


def _correlation(row: dict[str, Any]) -> Cell:
    if row["rho"] is None:
        return Cell(_UNKNOWN)
    text = f"{bits(row['rho'])} {interval(row['low'], row['high'])}".strip()
    return Cell(f"{text}, {p_value(row['p'])}", "strong" if row["p"] < 0.05 else "")


def _counts(numbers: list[int]) -> str:
    """Number of models in a row's coefficients; fewer if an atom is unknown."""
    return f"{min(numbers)}" if min(numbers) == max(numbers) else f"{min(numbers)} to {max(numbers)}"


def _models(row: dict[str, Any]) -> str:
    left_out = f" ({row['num_left_out']} left out)" if row["num_left_out"] else ""
    return f"{row['num_models']}{left_out}"
