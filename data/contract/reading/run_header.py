"""Outline of a run folder without its arrays, for planning and for detecting changed numbers."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pid_lvlm.data.contract.reading.npz import NpzError, checksum, open_npz
from pid_lvlm.data.contract.reading.validate import ADVICE, load_shard
from pid_lvlm.data.contract.schema.manifest import Manifest, read_manifest
from pid_lvlm.data.errors import ContractError, Fault
from pid_lvlm.data.names import MANIFEST_FILE, shard_file


@dataclass(frozen=True)
class RunOutline:
    """A run folder as its manifest and the tables of contents of its shards describe it.

    Attributes:
        folder: the run folder.
        manifest: its manifest.
        shards: indices of the shards to read; fewer than in the manifest only for a partial run.
        checksums: array -> hash, over the shards, of size and CRC-32 as recorded in the npz files.
    """

    folder: Path
    manifest: Manifest
    shards: tuple[int, ...]
    checksums: Mapping[str, str]

    def __len__(self) -> int:
        return sum(self.manifest.shard_rows(index) for index in self.shards)

    @property
    def pairs(self) -> int:
        """Questions per picture in its crossed pairs; 0 without crossed pairs, or if shards of the run are missing."""
        return self.manifest.pairs if len(self.shards) == self.manifest.num_shards else 0

    def read(self, array: str) -> NDArray:
        """One array with all shards concatenated and values unchecked: for small arrays that planning needs.

        Raises:
            ContractError: a shard is damaged or lacks the array.
        """
        parts = []
        for index in self.shards:
            arrays, faults = load_shard(self.folder, index, self.manifest, {array})
            if array not in arrays:
                raise ContractError(str(self.folder), faults or [Fault(shard_file(index), "missing", array)])
            parts.append(arrays[array])
        return np.concatenate(parts)


def shards_to_read(folder: Path, manifest: Manifest, allow_partial: bool) -> tuple[int, ...]:
    """Indices of a run's shards.

    Raises:
        ContractError: the run is unfinished, and either partial runs are not allowed or it has no shards yet.
    """
    indices = tuple(range(manifest.num_shards))
    if manifest.finished:
        return indices
    there = {path.name for path in folder.iterdir()}
    present = tuple(index for index in indices if shard_file(index) in there)
    if allow_partial and present:
        return present
    state = f"{len(present)} of {manifest.num_shards} shards exist"
    way_on = "run the same pid-extract command again to finish it"
    way_on += ", or pass --allow-partial" if present else ""
    raise ContractError(str(folder), [Fault(MANIFEST_FILE, f"unfinished run ({state}); {way_on}")])


def outline_run(folder: str | Path, *, allow_partial: bool = False) -> RunOutline:
    """Outline a run folder from its manifest and the end of every shard; reads no arrays.

    Args:
        folder: the run folder.
        allow_partial: accept an unfinished run and use the shards it has.

    Raises:
        ContractError: the manifest is not valid, or a shard is missing or truncated.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    shards = shards_to_read(folder, manifest, allow_partial)
    return RunOutline(folder, manifest, shards, content_checksums(folder, shards))


def content_checksums(folder: Path, shards: Sequence[int]) -> dict[str, str]:
    """Array -> hash, over the shards, of size and CRC-32, read from the end of every shard.

    Raises:
        ContractError: a shard is missing or truncated.
    """
    contents, faults = [], []
    for index in shards:
        name = shard_file(index)
        try:
            with open_npz(folder / name) as npz:
                contents.append({array: checksum(info) for array, info in npz.entries.items()})
        except FileNotFoundError:
            faults.append(Fault(name, f"missing; {ADVICE}"))
        except NpzError as error:
            faults.append(Fault(name, f"{error}; {ADVICE}"))
    if faults:
        raise ContractError(str(folder), faults)
    return _checksums(contents)


def _checksums(contents: Sequence[Mapping[str, str]]) -> dict[str, str]:
    names = sorted({name for entries in contents for name in entries})
    return {
        name: hashlib.sha256("\n".join(entries.get(name, "") for entries in contents).encode()).hexdigest()
        for name in names
    }
