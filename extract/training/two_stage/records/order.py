"""The order of training records: batches of one modality and similar length, fixed by the seed."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

MEGABATCH: Final = 50
"""Number of batches sorted by length together, as in LLaVA's sampler: enough to pad little, few enough to mix."""

Indices = NDArray[np.int64]


def training_order(
    lengths: NDArray[np.int64], pictured: NDArray[np.bool_], batch: int, steps: int, seed: int, *, grouped: bool = True
) -> Indices:
    """The record at every position of every effective batch.

    It depends on the effective batch size but not on the number of devices that share it. Every pass contains every
    record once; its last batch is filled up with records drawn from the pass, so that all batches are full.

    Args:
        lengths: tokens of each record, shape (records,).
        pictured: whether a record has a picture, shape (records,).
        batch: number of records per effective batch.
        steps: number of batches.
        seed: seed of the order.
        grouped: whether records of one modality and similar length share a batch; otherwise the order is random.

    Returns:
        Shape (steps · batch,).
    """
    passes = -(-steps // batches_per_pass(len(lengths), batch))
    generators = [np.random.default_rng([seed, number]) for number in range(passes)]
    found = [_one_pass(lengths, pictured, batch, generator, grouped=grouped) for generator in generators]
    return np.concatenate(found)[: steps * batch]


def batches_per_pass(records: int, batch: int) -> int:
    """Batches that contain every record once."""
    return -(-records // batch)


def _one_pass(
    lengths: NDArray[np.int64],
    pictured: NDArray[np.bool_],
    batch: int,
    generator: np.random.Generator,
    *,
    grouped: bool,
) -> Indices:
    pool = np.arange(len(lengths))
    kinds = [pool[pictured], pool[~pictured]] if grouped else [pool]
    whole: list[Indices] = []
    rest: list[Indices] = []
    for kind in kinds:
        mixed = generator.permutation(kind)
        if grouped:
            mixed = _by_length(mixed, lengths, batch)
        fitting = len(mixed) // batch * batch
        whole += list(mixed[:fitting].reshape(-1, batch))
        rest.append(mixed[fitting:])
    ends = np.concatenate(rest)  # the rest of both kinds together may fill a batch
    missing = -len(ends) % batch
    filled = np.concatenate([ends, generator.choice(pool, missing, replace=missing > len(pool))])
    whole += list(filled.reshape(-1, batch))
    return np.stack(whole)[generator.permutation(len(whole))].reshape(-1)


def _by_length(mixed: Indices, lengths: NDArray[np.int64], batch: int) -> Indices:
    """The longest first within each megabatch."""
    size = MEGABATCH * batch
    parts = [mixed[start : start + size] for start in range(0, len(mixed), size)]
    return np.concatenate([part[np.argsort(-lengths[part], kind="stable")] for part in parts] or [mixed])
