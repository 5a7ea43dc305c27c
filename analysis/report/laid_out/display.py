"""Tables laid out for reading: few digits, values with their spread, important values in bold."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any, Final

import polars as pl

from pid_lvlm.analysis.frames.labels import LEGEND, bits, interval, rounded_up
from pid_lvlm.data.contract.table.results import BATCH
from pid_lvlm.data.names import ATOMS

_UNKNOWN: Final = "–"
_NUMBER: Final = re.compile(r"[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


@dataclass(frozen=True)
class Cell:
    """Text of one cell and its CSS classes."""

    text: str
    style: str = ""

    @property
    def order(self) -> str:
        """The sort key: the number that the cell begins with; empty if there is none."""
        found = _NUMBER.match(self.text.replace(",", ""))
        return found[0] if found else ""


@dataclass(frozen=True)
class PageTable:
    """Headings and rows; the first `names` columns are text, the others numbers."""

    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    names: int


def summary_table(summary: pl.DataFrame) -> PageTable:
    """Model, dataset, the four atoms with their spread (the largest in bold), total information, accuracies.

    There is an estimator column only if not all rows are by BATCH, and circular accuracy only if a benchmark has
    rotations.
    """
    circular = ["circular accuracy"] if summary["accuracy_circular"].is_not_null().any() else []
    estimator = _estimator(summary)
    atoms_to_accuracy = [*LEGEND.values(), "I(X1,X2;Y)", "accuracy"]
    headings = ["model", "dataset", *estimator, *atoms_to_accuracy, *circular, "vision gain", "rows"]
    rows = [_summary_row(row, bool(estimator), bool(circular)) for row in summary.to_dicts()]
    return PageTable(headings, rows, names=2 + len(estimator))


def ground_truth_table(ground_truth: pl.DataFrame) -> PageTable:
    """Model, dataset, whether the atoms that decide are within tolerance, true and estimated value of each atom.

    Estimator and excess have columns only if their values differ between rows.
    """
    estimator = _estimator(ground_truth)
    excess = ["excess"] if ground_truth["excess"].is_not_null().any() else []
    headings = ["model", "dataset", *estimator, "verdict", *LEGEND.values(), *excess, "tolerance"]
    groups = ground_truth.partition_by("run", "model", "dataset", "estimator", maintain_order=True)
    rows = [_ground_truth_row(group.to_dicts(), bool(estimator), bool(excess)) for group in groups]
    return PageTable(headings, rows, names=3 + len(estimator))


def batch_and_exact_table(frame: pl.DataFrame) -> PageTable:
    """Model, dataset, each atom by BATCH with its certified interval, excess, gap, spread, other redundancies."""
    last = {
        "excess": "excess",
        "gap": "gap",
        "marginals_spread": "marginals",
        "redundancy_mmi": "R (MMI)",
        "redundancy_imin": "R (I_min)",
    }
    headings = ["model", "dataset", *LEGEND.values(), *last.values()]
    rows = [
        [
            Cell(row["model"]),
            Cell(row["dataset"]),
            *(Cell(_batch_and_exact(row, atom)) for atom in ATOMS),
            *(Cell(_small(row[name]) if name == "gap" else _plain(row[name])) for name in last),
        ]
        for row in frame.to_dicts()
    ]
    return PageTable(headings, rows, names=2)


def paper_table(comparison: pl.DataFrame) -> PageTable:
    """Exhibit, benchmark, what is compared, by which estimator; the published number, the one here, the difference."""
    headings = ["exhibit", "benchmark", "of", "quantity", "estimator", "note", "paper", "here", "difference"]
    return PageTable(headings, [_paper_row(row) for row in comparison.to_dicts()], names=6)


def plain_table(frame: pl.DataFrame) -> PageTable:
    """Every column unchanged, numbers to three decimals."""
    names = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    ordered = frame.select(*names, *(name for name in frame.columns if name not in names))
    headings = [name.replace("_", " ") for name in ordered.columns]
    return PageTable(headings, [[Cell(_plain(value)) for value in row] for row in ordered.rows()], names=len(names))


def issues_table(issues: pl.DataFrame) -> PageTable:
    """Number of fits, what is wrong with them, the worst value and the limit, where it happened, and what to do."""
    headings = ["what", "where", "what to do", "fits", "worst", "limit"]
    rows = [
        [
            *(Cell(row[name]) for name in ("what", "where", "advice")),
            Cell(f"{row['num_fits']:,}"),
            *(Cell(_UNKNOWN if row[name] is None else f"{row[name]:.3g}") for name in ("worst", "limit")),
        ]
        for row in issues.to_dicts()
    ]
    return PageTable(headings, rows, names=3)


def _estimator(frame: pl.DataFrame) -> list[str]:
    return ["estimator"] if (frame["estimator"] != BATCH).any() else []


def _summary_row(row: dict[str, Any], estimator: bool, circular: bool) -> list[Cell]:
    all_known = all(row[atom] is not None for atom in ATOMS)
    largest = max(ATOMS, key=lambda atom: row[atom]) if all_known else ""
    return [
        Cell(row["model"]),
        Cell(row["dataset"]),
        *([Cell(row["estimator"])] if estimator else []),
        *(Cell(_summary_cell(row, atom), "strong" if atom == largest else "") for atom in ATOMS),
        Cell(bits(row["i_joint"])),
        Cell(_percent(row["accuracy"])),
        *([Cell(_percent(row["accuracy_circular"]))] if circular else []),
        Cell(_percent(row["d_vision"])),
        Cell(str(row["num_test"])),
    ]


def _ground_truth_row(atoms: list[dict[str, Any]], estimator: bool, excess: bool) -> list[Cell]:
    judged = [atom for atom in atoms if atom["judged"]]
    within = all(atom["within"] for atom in judged)
    first = atoms[0]
    return [
        Cell(first["model"]),
        Cell(first["dataset"]),
        *([Cell(first["estimator"])] if estimator else []),
        Cell("within" if within else "off", "good" if within else "bad"),
        *(_ground_truth_cell(atom) for atom in atoms),
        *([Cell(_bits(first["excess"]))] if excess else []),
        Cell(f"± {bits(first['tolerance'])}"),
    ]


def _ground_truth_cell(atom: dict[str, Any]) -> Cell:
    styles = [name for name, applies in (("strong", atom["judged"]), ("bad", not atom["within"])) if applies]
    text = f"{bits(atom['ground_truth'])} → {_bits(atom['estimated'])} {interval(atom['low'], atom['high'])}"
    return Cell(text.rstrip(), " ".join(styles))


def _summary_cell(row: dict[str, Any], atom: str) -> str:
    value = row[atom]
    if value is None:
        return _UNKNOWN
    if str(row["interval"]).startswith("items"):
        return f"{bits(value)} {interval(row[f'{atom}_low'], row[f'{atom}_high'])}".rstrip()
    deviation = row[f"{atom}_sd"]
    return bits(value) if deviation is None else f"{bits(value)} ± {bits(deviation)}"


def _batch_and_exact(row: dict[str, Any], atom: str) -> str:
    low, high = row[f"{atom}_certified_low"], row[f"{atom}_certified_high"]
    batch = _plain(row[f"{atom}_batch"])
    if low is None or high is None:
        return f"{batch} [{_UNKNOWN}]"
    return f"{batch} [{floor(1000 * low) / 1000 + 0.0:.3f}, {ceil(1000 * high) / 1000 + 0.0:.3f}]"


def _paper_row(row: dict[str, Any]) -> list[Cell]:
    digits = 0 if row["unit"] == "items" else 1 if row["unit"] == "%" else 3
    unit = f" {row['unit']}" if row["unit"] in ("%", "bits") else ""
    between = f" [{row['low']:.3f}, {row['high']:.3f}]" if None not in (row["low"], row["high"]) else ""
    here = f"{_rounded(row['here'], digits)}{unit}{between}{_p_value(row['here_p'])}" if row["here"] is not None else ""
    return [
        *(Cell(text or "") for text in _paper_names(row)),
        Cell(f"{_rounded(row['published'], digits)}{unit}{_p_value(row['published_p'], bound=row['p_below'])}"),
        Cell(here or _UNKNOWN),
        Cell(_UNKNOWN if row["difference"] is None else _rounded(row["difference"], digits, sign="+")),
    ]


def _paper_names(row: dict[str, Any]) -> tuple[str | None, ...]:
    of = ", ".join(filter(None, (row["of"], row["setting"])))
    return row["exhibit"], row["dataset"], of, row["quantity"], row["estimator"], row["note"]


def _rounded(value: float, digits: int, sign: str = "") -> str:
    return f"{round(value, digits) + 0.0:{sign}.{digits}f}"


def _p_value(p: float | None, *, bound: bool | None = False) -> str:
    if p is None:
        return ""
    return f" (p < {max(p, 0.001):.3f})" if bound or p < 0.001 else f" (p {p:.3f})"


def _bits(value: float | None) -> str:
    return _UNKNOWN if value is None else bits(value)


def _small(value: float | None) -> str:
    return _UNKNOWN if value is None else rounded_up(value)


def _percent(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{100 * value:.1f} %"


def _plain(value: object) -> str:
    if value is None:
        return _UNKNOWN
    return f"{value:.3f}" if isinstance(value, float) else str(value)
