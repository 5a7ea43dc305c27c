"""BATCH against the certified optimum: how far off it is, and what survives another choice."""

from typing import Final

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.estimators import PROBLEM
from pid_lvlm.analysis.frames.given import given
from pid_lvlm.analysis.frames.reshape import finals, in_reading_order
from pid_lvlm.data.contract.table.results import BATCH, EXACT
from pid_lvlm.data.names import ATOMS

_OF_EXACT: Final = ("gap", "marginals_spread", "redundancy_mmi", "redundancy_imin")


def batch_and_exact(results: pl.DataFrame) -> pl.DataFrame:
    """Atoms by BATCH and by the exact estimator at the final checkpoint and layer, one row per run and BATCH fit.

    Columns of BATCH or of the exact estimator are empty in rows without it.

    Returns:
        `run`, `model`, `dataset`, `tau`; for each atom (before clipping at 0) `{atom}_batch`, `{atom}_exact` and the
        certified `{atom}_certified_low` and `_high`; `excess` of BATCH, `batch_gap` (of the optimum of its own test
        batches), `batch_rows`; `gap`, `marginals_spread`, `redundancy_mmi`, `redundancy_imin`, `exact_rows`. In bits.

    Raises:
        NothingToShowError: the table has no usable row of the exact estimator, and no excess of BATCH.
    """
    results = given(results)
    exact, batch = (finals(results.filter(pl.col("estimator") == name), name) for name in (EXACT, BATCH))
    if exact.is_empty() and batch["excess"].is_null().all():
        raise NothingToShowError("No problem was solved by the exact estimator.")
    named = ("series", "dataset", "family", "size_b")
    joined = batch.select(
        *PROBLEM,
        *named,
        *(pl.col(f"{atom}_raw").alias(f"{atom}_batch") for atom in ATOMS),
        "excess",
        pl.col("gap").alias("batch_gap"),
        pl.col("num_test").alias("batch_rows"),
    ).join(
        exact.select(
            *PROBLEM,
            *named,
            *(pl.col(f"{atom}_raw").alias(f"{atom}_exact") for atom in ATOMS),
            *(f"{atom}_certified_{end}" for atom in ATOMS for end in ("low", "high")),
            *_OF_EXACT,
            pl.col("num_test").alias("exact_rows"),
        ),
        on=PROBLEM,
        how="full",
        coalesce=True,
        suffix="_of_exact",
        maintain_order="left_right",
    )
    joined = joined.with_columns(pl.coalesce(name, f"{name}_of_exact").alias(name) for name in named)
    values = [f"{atom}_{what}" for atom in ATOMS for what in (BATCH, EXACT, "certified_low", "certified_high")]
    return in_reading_order(joined).select(
        "run",
        pl.col("series").alias("model"),
        "dataset",
        "tau",
        *values,
        "excess",
        "batch_gap",
        "batch_rows",
        *_OF_EXACT,
        "exact_rows",
    )
