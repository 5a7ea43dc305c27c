"""The receipts in the run folders: what each run checked on its first items before measuring."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from pid_lvlm import data
from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.given import given
from pid_lvlm.analysis.frames.items.scores import find_run_folders
from pid_lvlm.data.contract.schema.receipt import CHECKS, CROSSED_CHECKS, NATS, NOT_CHECKED, UNITS

NO_RECEIPT: Final = "no receipt"
NO_FOLDER: Final = "no run folder"

_SCHEMA: Final = {
    **dict.fromkeys(("model", "dataset", "run", "check", "result"), pl.String()),
    **dict.fromkeys(("found", "limit", "visible"), pl.Float64()),
    **dict.fromkeys(("unit", "reason", "shows"), pl.String()),
}


def receipts(results: pl.DataFrame, runs: Sequence[str | Path] = ()) -> pl.DataFrame:
    """The receipt of every run of a table, check by check.

    Args:
        results: the result table.
        runs: its run folders, or folders of run folders.

    Returns:
        A row per run and check, in the order of the table: `model`, `dataset`, `run`, `check`; `result` (`passed`,
        `failed` or `not checked`), `found` and its `limit` in `unit`, the difference that the same change makes where
        it is allowed to (`visible`, nats), the `reason` if it was not checked, and what a passed check `shows`. A run
        without a receipt, or without its folder, has one row whose `result` says so.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no run folder was given.
        PidError: a path is not a run folder of these runs.
    """
    results = given(results, every_ablation=True)
    if not runs:
        raise NothingToShowError("No run folders were given (--runs); they have the receipts.")
    named = results.select("model", "dataset", "run").unique(maintain_order=True)
    folders, _ = find_run_folders(runs, named["run"].to_list())
    return pl.DataFrame([row for run in named.to_dicts() for row in _of_run(run, folders)], schema=_SCHEMA)


def _of_run(run: Mapping[str, Any], folders: Mapping[str, Path]) -> list[dict[str, Any]]:
    if run["run"] not in folders:
        return [{**run, "result": NO_FOLDER}]
    receipt = data.read_manifest(folders[run["run"]]).receipt
    if receipt is None or not receipt.checks:
        return [{**run, "result": NO_RECEIPT}]
    return [
        {
            **run,
            "check": name,
            "result": check.result,
            "found": check.found,
            "limit": check.limit,
            "visible": check.visible,
            "unit": UNITS.get(name, NATS),
            "reason": check.reason if check.result == NOT_CHECKED else None,
            "shows": {**CHECKS, **CROSSED_CHECKS}[name],
        }
        for name, check in receipt.checks.items()
    ]
