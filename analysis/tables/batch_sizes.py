"""BATCH by batch size."""

import polars as pl

from pid_lvlm.analysis.frames import batch_sizes as sizes


def batch_sizes(results: pl.DataFrame) -> pl.DataFrame:
    """Atoms by BATCH for every batch size, with the certified optimum: `frames.batch_sizes.batch_sizes`.

    Args:
        results: the result table, with rows of several batch sizes (`pid-estimate --batch-size`).

    Returns:
        A row per model, dataset and size, in bits.

    Raises:
        ResultTableError: this is not a result table.
        NothingToShowError: no problem was estimated with two sizes.
    """
    return sizes.batch_sizes(results)
