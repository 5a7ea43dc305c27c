"""The order of training records: batches of one modality and similar length, fixed by the seed."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

MEGABATCH: Final = 50
"""Number of batches sorted by length together, as in LLaVA's sampler: enough to pad little, few enough to mix."""

Indices = NDArray[np.int64]


def training_order(
    lengths: NDArray[np.int64],
    pictured: NDArray[np.bool_],
    batch: int,
    steps: int,
    seed: int,
    *,
    grouped: bool = True,
    systematic: bool = False,
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
        systematic: whether neighbours in the file are spread evenly over a pass that is not grouped.

    Returns:
        Shape (steps · batch,).
    """
    passes = -(-steps // batches_per_pass(len(lengths), batch))
    generators = [np.random.default_rng([seed, number]) for number in range(passes)]
    if systematic and not grouped:
        found = [_spread(len(lengths), batch, seed, turn, generator) for turn, generator in enumerate(generators)]
    else:
        found = [_one_pass(lengths, pictured, batch, generator, grouped=grouped) for generator in generators]
    return np.concatenate(found)[: steps * batch]


def batches_per_pass(records: int, batch: int) -> int:
    """Batches that contain every record once."""
    return -(-records // batch)


def spread(records: int, seed: int, turn: int) -> NDArray[np.float64]:
    """Two numbers in [0, 1) per record, spread evenly over the square for any run of neighbours in the file.

    These are points of a scrambled Sobol sequence: of neighbours, any share falls into any part of the square that has
    this share of its area, to within a few. So what depends on a comparison with these numbers has the frequencies of
    a file sorted by kind, where independent numbers would have the error of a sample.

    Args:
        records: number of records.
        seed: seed of the scrambling.
        turn: how often each record has come up before; each turn has its own scrambling.

    Returns:
        Shape (records, 2): for the place within a pass, and for modality dropout.
    """
    sequence = qmc.Sobol(2, scramble=True, rng=np.random.default_rng([seed, turn]))
    return np.asarray(sequence.random_base2((max(records, 2) - 1).bit_length())[:records])


def _spread(records: int, batch: int, seed: int, turn: int, generator: np.random.Generator) -> Indices:
    missing = -records % batch
    rest = generator.choice(records, missing, replace=missing > records)
    return np.concatenate([np.argsort(spread(records, seed, turn)[:, 0]), rest])


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
