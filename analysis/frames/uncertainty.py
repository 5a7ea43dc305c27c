"""How much the atoms of each model can be off, by cause: widths of intervals and ranges in bits."""

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.intervals import CERTIFIED, COVERAGES, SEEDS, Coverage
from pid_lvlm.analysis.frames.reshape import finals_of_each_estimator
from pid_lvlm.data.contract.table.results import BATCH
from pid_lvlm.data.names import ATOMS


def uncertainties(results: pl.DataFrame) -> pl.DataFrame:
    """The table of `analysis.tables.uncertainties`, from a checked result table."""
    final = finals_of_each_estimator(results)
    kind = pl.col("interval").fill_null(SEEDS)
    width = widest(COVERAGES[SEEDS])
    causes = {
        "certified": widest(COVERAGES[CERTIFIED]),
        "items": pl.when(kind != SEEDS).then(width),
        "seeds": pl.when(kind == SEEDS).then(width),
        "reconciliation": pl.col("marginals_spread"),
        "excess": pl.when(pl.col("estimator") == BATCH).then("excess"),
    }
    table = final.select(
        pl.col("series").alias("model"),
        "dataset",
        "estimator",
        *(width.alias(name) for name, width in causes.items()),
        "marginal_mismatch",
    ).filter(pl.any_horizontal(pl.col(name).is_not_null() for name in causes))
    if table.is_empty():
        raise NothingToShowError("No successful fit at the final layer of a model has an interval.")
    most = pl.max_horizontal(*causes)
    largest = pl.coalesce(pl.when(pl.col(name) == most).then(pl.lit(name)) for name in causes)
    return table.with_columns(largest.alias("largest"))


def widest(coverage: Coverage) -> pl.Expr:
    """The width of the interval for the atom where it is widest."""
    if not coverage.low:
        return pl.col(coverage.high)
    return pl.max_horizontal(pl.col(coverage.high.format(atom)) - pl.col(coverage.low.format(atom)) for atom in ATOMS)
