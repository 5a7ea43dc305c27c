"""BATCH by batch size, with the certified optimum: final checkpoints at the output layer."""

import polars as pl

from pid_lvlm.analysis.errors import NothingToShowError
from pid_lvlm.analysis.frames.given import given
from pid_lvlm.analysis.frames.over_models.models import by_model
from pid_lvlm.analysis.frames.reshape import final_checkpoint, final_layer, in_reading_order, reported
from pid_lvlm.data.contract.table.results import BATCH, EXACT
from pid_lvlm.data.names import ATOMS

_PROBLEM = ("run", "layer", "tau")
_SEEDS = r'"seeds": ?\[[^\]]*\]'
_SIZE = r'"batch_size": ?(\d+)'


def batch_sizes(results: pl.DataFrame) -> pl.DataFrame:
    """Rows of BATCH that differ only in batch size, for models that were estimated with several sizes.

    If a model has several settings on a dataset, the one with the most sizes counts; if fits differ only in the number
    of seeds, the one with the most seeds. A failed fit has no row.

    Args:
        results: the result table.

    Returns:
        A row for each size, in reading order: `model`, `dataset`, `batch_size`, and for every atom `{atom}` before
        clipping at 0 with `{atom}_low` and `{atom}_high` over seeds, and `{atom}_exact`, the certified optimum of the
        same problem, in bits; `excess` in bits, `seeds`.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no problem was estimated with two batch sizes.
    """
    rows = reported(final_layer(final_checkpoint(by_model(given(results)))))
    batch = rows.filter(pl.col("estimator") == BATCH).with_columns(
        pl.col("recipe").str.extract(_SIZE).cast(pl.Int64).alias("batch_size"),
        pl.col("recipe").str.replace(_SIZE, "").str.replace(_SEEDS, "").alias("_rest"),
    )
    once = ["model", "dataset", "batch_size"]
    setting = [*_PROBLEM, "pooling", "_rest"]
    batch = batch.drop_nulls("batch_size").with_columns(
        pl.col("batch_size").n_unique().over(*once[:2], *setting).alias("_sizes")
    )
    most = batch.sort("_sizes", *setting, descending=[True] + [False] * len(setting), maintain_order=True)
    chosen = most.select(*once[:2], *setting).unique(once[:2], keep="first", maintain_order=True)
    frame = batch.join(chosen, on=[*once[:2], *setting], how="semi", nulls_equal=True, maintain_order="left")
    frame = frame.filter(pl.col("_sizes") > 1).sort(pl.col("seeds").list.len(), descending=True, maintain_order=True)
    frame = frame.unique(once, keep="first", maintain_order=True)
    if frame.is_empty():
        raise NothingToShowError("No problem was estimated by BATCH with two batch sizes (--batch-size).")
    optimum = rows.filter(pl.col("estimator") == EXACT).unique(_PROBLEM, keep="first", maintain_order=True)
    optimum = optimum.select(*_PROBLEM, *(pl.col(f"{atom}_raw").alias(f"{atom}_exact") for atom in ATOMS))
    frame = in_reading_order(frame.join(optimum, on=_PROBLEM, how="left", maintain_order="left"))
    places = frame.select("model", "dataset").unique(maintain_order=True).with_row_index("_place")
    frame = frame.join(places, on=["model", "dataset"], maintain_order="left").sort("_place", "batch_size")
    return frame.select(
        *once,
        *(
            pl.col(name).alias(new)
            for atom in ATOMS
            for name, new in {
                f"{atom}_raw": atom,
                f"{atom}_low": f"{atom}_low",
                f"{atom}_high": f"{atom}_high",
                f"{atom}_exact": f"{atom}_exact",
            }.items()
        ),
        "excess",
        pl.col("seeds").list.len().alias("seeds"),
    )
