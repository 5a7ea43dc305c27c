"""Tables about what the numbers depend on, laid out for reading: differences, batch sizes, receipts."""

from typing import Any, Final

import polars as pl

from pid_lvlm.analysis.frames.labels import LEGEND, SYMBOLS, bits
from pid_lvlm.analysis.report.laid_out.display import Cell, PageTable
from pid_lvlm.analysis.tables.receipts import NO_FOLDER, NO_RECEIPT
from pid_lvlm.data.contract.schema.receipt import CHECKS, CROSSED_CHECKS, FAILED, NOT_CHECKED, PASSED
from pid_lvlm.data.names import ATOMS

_UNKNOWN: Final = "–"


def differences_table(frame: pl.DataFrame) -> PageTable:
    """One row per pair: every atom's difference with its interval, in bold if it is significant after correction."""
    with_model = frame["model"].null_count() < frame.height
    headings = ["dataset", *(["model"] if with_model else []), "from", "to", *LEGEND.values(), "items"]
    rows = []
    for part in frame.partition_by("dataset", "model", "first", "second", maintain_order=True):
        of_atom = {row["atom"]: row for row in part.to_dicts()}
        pair = part.row(0, named=True)
        names = ["dataset", *(["model"] if with_model else []), "first", "second"]
        cells = [_difference(of_atom.get(atom)) for atom in ATOMS]
        rows.append([*(Cell(pair[name]) for name in names), *cells, Cell(f"{pair['items']:,}")])
    return PageTable(headings, rows, names=len(headings) - len(ATOMS) - 1)


def batch_sizes_table(frame: pl.DataFrame) -> PageTable:
    """Model, dataset, rows per batch, every atom by BATCH with the certified optimum in brackets, and the excess."""
    headings = ["model", "dataset", "rows per batch", *SYMBOLS.values(), "excess"]
    rows = [
        [
            *(Cell(row["model"]), Cell(row["dataset"]), Cell(f"{row['batch_size']:,}")),
            *(Cell(_beside(row[atom], row[f"{atom}_exact"])) for atom in ATOMS),
            Cell(_UNKNOWN if row["excess"] is None else f"{round(row['excess'], 3) + 0.0:.3f}"),
        ]
        for row in frame.to_dicts()
    ]
    return PageTable(headings, rows, names=2)


def receipts_table(frame: pl.DataFrame) -> PageTable:
    """One row per model: how many of its runs have a receipt, and each check's worst result next to its limit."""
    known = frame["check"].unique().drop_nulls().to_list()
    checks = [name for name in {**CHECKS, **CROSSED_CHECKS} if name in known]
    rows = []
    for part in frame.partition_by("model", maintain_order=True):
        runs, held = part["run"].n_unique(), part.drop_nulls("check")["run"].n_unique()
        own = [Cell(part["model"][0]), Cell(f"{held:,} of {runs:,}", "bad" if held < runs else "")]
        rows.append([*own, *(_check(part.filter(check=name), held) for name in checks)])
    return PageTable(["model", "runs", *(name.replace("_", " ") for name in checks)], rows, names=1)


def receipts_sentence(frame: pl.DataFrame) -> str:
    """A one-sentence summary of the receipts."""
    runs = frame["run"].n_unique()
    held = frame.drop_nulls("check")
    said = f"{held['run'].n_unique():,} of {runs:,} runs have a receipt of the checks made before they were measured"
    counts = {result: held.filter(result=result).height for result in (PASSED, FAILED, NOT_CHECKED)}
    parts = [f"{number:,} checks {_said(result)}" for result, number in counts.items() if number]
    without = {result: frame.filter(result=result).height for result in (NO_RECEIPT, NO_FOLDER)}
    parts += [f"{number:,} {_runs(number)} {_said(result)}" for result, number in without.items() if number]
    return f"{said}: {', '.join(parts)}."


def _said(result: str) -> str:
    found = {NOT_CHECKED: "could not be made", NO_RECEIPT: "without a receipt", NO_FOLDER: "whose folder is not here"}
    return found.get(result, result)


def _runs(number: int) -> str:
    return "run" if number == 1 else "runs"


def _check(rows: pl.DataFrame, runs: int) -> Cell:
    """The largest difference that a check found among a model's runs, and how often it was not made."""
    if rows.is_empty():
        return Cell(_UNKNOWN)
    made = rows.filter(pl.col("result") != NOT_CHECKED)
    missing = runs - made["run"].n_unique()
    if made.is_empty():
        reasons = rows["reason"].drop_nulls().unique(maintain_order=True).to_list()
        return Cell(f"not checked{': ' + reasons[0] if reasons else ''}")
    worst = made.sort((pl.col("found") - pl.col("limit")), descending=True).row(0, named=True)
    said = f"{worst['found']:.2g} (at most {worst['limit']:.2g})"
    failed = (made["result"] == FAILED).any()
    return Cell(said + (f"; not checked in {missing:,} {_runs(missing)}" if missing else ""), "bad" if failed else "")


def _difference(row: dict[str, Any] | None) -> Cell:
    if row is None or row["difference"] is None:
        return Cell(_UNKNOWN)
    low, middle, high = (_signed(row[name]) for name in ("low", "difference", "high"))
    return Cell(f"{middle} [{low}, {high}]", "strong" if row["differs"] else "")


def _signed(value: float) -> str:
    return f"{round(value, 3) + 0.0:+.3f}"


def _beside(value: float | None, optimum: float | None) -> str:
    if value is None:
        return _UNKNOWN
    return bits(value) + ("" if optimum is None else f" ({bits(optimum)})")
