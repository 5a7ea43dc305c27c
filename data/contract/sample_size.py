"""How many rows an estimate needs. pid-extract shows it in its dry run, pid-estimate enforces it."""

import math
from typing import Final

BATCH_SIZE: Final = 256
"""Rows per batch in both presets. The coupling is fitted within a batch, so this is part of the estimator."""

TRAIN_SHARE: Final = 0.75
"""Share of the rows that train the coupling in both presets; the others measure it."""


def least_test_rows(num_test: int, batch_size: int = BATCH_SIZE, drop_incomplete: bool = False) -> int:
    """Minimum number of test rows: a full batch if incomplete ones are dropped, otherwise two rows per batch."""
    return batch_size if drop_incomplete else 2 * max(-(-num_test // batch_size), 1)


def rows_needed(batch_size: int = BATCH_SIZE, train_share: float = TRAIN_SHARE, drop_incomplete: bool = False) -> int:
    """Minimum number of rows that an estimate accepts; the defaults are those of the default preset.

    A split by groups (`--split group`) can need a few more, since it moves whole groups.

    Example:
        >>> rows_needed()
        342
        >>> rows_needed(drop_incomplete=True)  # the paper preset
        1021
    """
    rows = math.floor(batch_size / train_share)
    if drop_incomplete:
        rows = max(rows, math.floor((batch_size - 1) / (1 - train_share)))
    while not _is_enough(rows, batch_size, train_share, drop_incomplete):
        rows += 1
    return rows


def _is_enough(rows: int, batch_size: int, train_share: float, drop_incomplete: bool) -> bool:
    train = int(train_share * rows)
    test = rows - train
    return train >= batch_size and test >= least_test_rows(test, batch_size, drop_incomplete)


def describe_rows_needed(
    batch_size: int = BATCH_SIZE, train_share: float = TRAIN_SHARE, drop_incomplete: bool = False
) -> str:
    """The number of rows needed and the reason, as a clause for a plan or an error."""
    rows = rows_needed(batch_size, train_share, drop_incomplete)
    reason = f"{train_share:.0%} of the rows train the coupling, and they must fill a batch of {batch_size}"
    if drop_incomplete:
        reason = (
            f"{train_share:.0%} of the rows train the coupling and {1 - train_share:.0%} test it, and each part must "
            f"fill a batch of {batch_size} (incomplete test batches are dropped)"
        )
    return f"the estimate needs at least {rows} rows: {reason}"
