"""Replacement noise: its statistics over a dataset, and draws that depend only on seed, sample and condition."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Moments:
    """Partial sums over vectors, in float64; the sums of two parts can be merged.

    Attributes:
        count: number of vectors.
        total: (width,) their sum.
        squares: (width,) sum of their squares.
    """

    count: int
    total: NDArray[np.float64]
    squares: NDArray[np.float64]

    @classmethod
    def of(cls, vectors: NDArray[Any]) -> "Moments":
        """Moments of (rows, width) vectors; zero if there are no rows."""
        wide = vectors.astype(np.float64)
        return cls(len(wide), wide.sum(axis=0), np.square(wide).sum(axis=0))

    def merge(self, other: "Moments") -> "Moments":
        """Moments of both parts together."""
        return Moments(self.count + other.count, self.total + other.total, self.squares + other.squares)

    def gaussian(self) -> "Gaussian":
        """Mean and population standard deviation per dimension.

        Raises:
            ValueError: no vectors were given.
        """
        if self.count == 0:
            message = "no vectors to take statistics of"
            raise ValueError(message)
        mean = self.total / self.count
        variance = np.maximum(self.squares / self.count - np.square(mean), 0)  # rounding can make it negative
        return Gaussian(mean.astype(np.float32), np.sqrt(variance).astype(np.float32), self.count)


@dataclass(frozen=True)
class Gaussian:
    """N(mean, diag std²) of one site: (width,) float32 each; `count` vectors were measured."""

    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    count: int

    def draw(self, generator: np.random.Generator, rows: int) -> NDArray[np.float32]:
        """Independent draws, (rows, width)."""
        values = np.empty((rows, len(self.mean)), np.float32)
        self.fill(generator, values)
        return values

    def fill(self, generator: np.random.Generator, out: NDArray[np.float32]) -> None:
        """The same draws, written to `out` (rows, width)."""
        generator.standard_normal(dtype=np.float32, out=out)
        out *= self.std
        out += self.mean


NoiseStats = Mapping[str, Gaussian]
"""Statistics per site name."""


def to_arrays(stats: NoiseStats) -> dict[str, NDArray[Any]]:
    """Arrays of `noise_stats.npz`: `{site}_mean`, `{site}_std` (width,) and `{site}_count`."""
    arrays: dict[str, NDArray[Any]] = {}
    for site, gaussian in stats.items():
        arrays[f"{site}_mean"] = gaussian.mean
        arrays[f"{site}_std"] = gaussian.std
        arrays[f"{site}_count"] = np.array(gaussian.count, dtype=np.int64)
    return arrays


def from_arrays(arrays: Mapping[str, NDArray[Any]], sites: Sequence[str]) -> NoiseStats:
    """Read what `to_arrays` wrote, bit for bit."""
    return {
        site: Gaussian(arrays[f"{site}_mean"], arrays[f"{site}_std"], int(arrays[f"{site}_count"])) for site in sites
    }


def sample_generator(seed: int, sample_id: str, condition: str) -> np.random.Generator:
    """Generator of one sample's noise, independent of batch, order, shard, device and resuming.

    numpy's Philox takes a 128-bit key. Torch's CPU generator keeps only 32 bits of its seed, so that among a few
    thousand samples two would occasionally share their noise.
    """
    text = json.dumps([seed, sample_id, condition])
    key = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")
    return np.random.Generator(np.random.Philox(key=key))


Arrays = dict[str, NDArray[Any]]
