"""Crossed pairs of a run: the picture of one item with the questions of others, and the rules for their two arrays."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pid_lvlm.data.contract.reading.row_faults import row_faults
from pid_lvlm.data.contract.schema.manifest import Manifest
from pid_lvlm.data.errors import Fault
from pid_lvlm.data.names import BOTH, CROSSED_ARRAYS

PARTNER, LOGLIK = CROSSED_ARRAYS
MOST_LOGLIK: Final = 1e-3
"""A log-likelihood is at most 0; this much is tolerated as rounding."""


@dataclass(frozen=True)
class Crossed:
    """Scores of crossed pairs, all of equal weight: each picture with `pairs` questions, each question equally often.

    Attributes:
        partner: (n, pairs) index of the item whose question is asked about the picture of item i, counted from 0 in
            the order of the run's samples; column 0 is the item itself.
        loglik: (n, pairs, layers, K) nats; -inf for options that the question does not have.
    """

    partner: NDArray[np.int64]
    loglik: NDArray[np.float32]

    @property
    def pairs(self) -> int:
        """Number of questions per picture."""
        return int(self.partner.shape[1])


def crossed_of(arrays: Mapping[str, NDArray]) -> Crossed | None:
    """The crossed pairs in a run's arrays; None if it has none."""
    return Crossed(arrays[PARTNER], arrays[LOGLIK]) if set(CROSSED_ARRAYS) <= set(arrays) else None


def crossed_shard_faults(
    file: str, arrays: Mapping[str, NDArray], manifest: Manifest, first_row: int
) -> Iterator[Fault]:
    """Faults in crossed pairs that one shard can show; the arrays have the right form.

    Args:
        file: name of the shard.
        arrays: its arrays.
        manifest: of the run.
        first_row: number of the shard's first sample among those of the run.
    """
    if not set(CROSSED_ARRAYS) <= set(arrays):
        return
    partner, loglik = arrays[PARTNER], arrays[LOGLIK]
    n = manifest.num_samples
    yield from row_faults(file, PARTNER, (partner < 0) | (partner >= n), f"is not the number of a sample, 0 to {n - 1}")
    own = first_row + np.arange(len(partner))
    wrong = f"column 0 is not the item itself (row {first_row} is the shard's first)" if first_row else ""
    yield from row_faults(file, PARTNER, partner[:, 0] != own, wrong or "column 0 is not the item itself")
    ordered = np.sort(partner, axis=1)
    yield from row_faults(file, PARTNER, ordered[:, 1:] == ordered[:, :-1], "names an item twice in one row")
    yield from row_faults(
        file, LOGLIK, np.isfinite(loglik) & (loglik > MOST_LOGLIK), "is positive; expected a log-likelihood in nats"
    )
    both = arrays["loglik"][:, manifest.conditions.index(BOTH)]
    other = ~((loglik[:, 0] == both) | np.isnan(loglik[:, 0]) | np.isnan(both))
    yield from row_faults(file, LOGLIK, other, f"column 0 differs from `loglik` under {BOTH!r}, which is the same pair")


def crossed_run_faults(files: Sequence[str], shards: Sequence[Mapping[str, NDArray]]) -> list[Fault]:
    """Faults in crossed pairs that only the whole run can show.

    Args:
        files: names of all shards of the run.
        shards: their arrays, free of other faults.
    """
    if not all(set(CROSSED_ARRAYS) <= set(arrays) for arrays in shards):
        return []
    num_options = np.concatenate([arrays["num_options"] for arrays in shards])
    partner = np.concatenate([arrays[PARTNER] for arrays in shards])
    asked = np.bincount(partner.reshape(-1), minlength=len(partner))
    if (odd := np.flatnonzero(asked != partner.shape[1])).size:
        said = f"asks the question of sample {odd[0]} {asked[odd[0]]} times over the run"
        return [Fault(files[0], f"{said}; each should be asked {partner.shape[1]} times", PARTNER)]
    faults: list[Fault] = []
    for file, arrays in zip(files, shards, strict=True):
        loglik = arrays[LOGLIK]
        real = np.arange(loglik.shape[-1]) < num_options[arrays[PARTNER]][..., None]
        wrong = (loglik > -np.inf) != real[:, :, None, :]
        faults += row_faults(
            file, LOGLIK, wrong, "should be -inf exactly for the options that the asked question lacks"
        )
    return faults
