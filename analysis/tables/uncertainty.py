"""How uncertain the atoms are, by cause: the intervals of the table in words, and their widths per model."""

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames import uncertainty
from pid_lvlm.analysis.frames.given import given
from pid_lvlm.analysis.frames.intervals import COVERAGES, SEEDS, Coverage
from pid_lvlm.analysis.frames.reshape import finals_of_each_estimator
from pid_lvlm.data.contract.table.results import INTERVALS


def interval_meanings(results: pl.DataFrame) -> pl.DataFrame:
    """What each interval of the table covers, one row per kind of interval at the output layers.

    Returns:
        `interval`, `covers`, `not_covered`, `columns` (of the result table), `estimators` that have it, `rows` (the
        number of final fits with it), `median_width` and `largest_width` in bits: median and maximum over these rows of
        the width for the atom with the widest interval.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no successful fit at the output layer has an interval.
    """
    final = finals_of_each_estimator(given(results))
    found = [row for name, coverage in COVERAGES.items() for row in _meaning(final, name, coverage)]
    if not found:
        raise NothingToShowError("No successful fit at the final layer of a model has an interval.")
    return pl.DataFrame(found)


def uncertainties(results: pl.DataFrame) -> pl.DataFrame:
    """How much the atoms of each model can be off, by cause, at the final checkpoint and layer.

    Each number is the width of an interval, or a range, in bits, for the atom where it is largest; empty if the table
    does not have it. They answer different questions and do not add up.

    Returns:
        `model`, `dataset`, `estimator`; `certified` (optimisation), `items`, `seeds` and `reconciliation` in bits;
        `excess`, a lower bound in bits on how far BATCH is off on its own test batches; `largest`, which of these five
        is the largest; `marginal_mismatch`, the largest total variation between the P(Y) of the conditions (0 to 1),
        which has to be reconciled.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no fit at the final layer of a model has such a number.
    """
    return uncertainty.uncertainties(given(results))


def _meaning(final: pl.DataFrame, name: str, coverage: Coverage) -> list[dict[str, object]]:
    if name in INTERVALS:
        final = final.filter(pl.col("interval").fill_null(SEEDS) == name)
    rows = final.select("estimator", uncertainty.widest(coverage).alias("width")).drop_nulls("width")
    if rows.is_empty():
        return []
    columns = " to ".join(end.format("{atom}") for end in (coverage.low, coverage.high) if end)
    return [
        {
            "interval": name,
            "covers": coverage.covers,
            "not_covered": coverage.not_covered,
            "columns": columns,
            "estimators": ", ".join(rows["estimator"].unique().sort()),
            "rows": rows.height,
            "median_width": rows["width"].median(),
            "largest_width": rows["width"].max(),
        }
    ]
