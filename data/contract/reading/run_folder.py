"""Finds, reads and validates run folders."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pid_lvlm.data.contract.reading.crossed import Crossed, crossed_of, crossed_run_faults
from pid_lvlm.data.contract.reading.items import kept_files_faults
from pid_lvlm.data.contract.reading.run_header import RunOutline, content_checksums, shards_to_read
from pid_lvlm.data.contract.reading.validate import changed_files, checked_shard, duplicate_id_faults
from pid_lvlm.data.contract.schema.manifest import Manifest, read_manifest
from pid_lvlm.data.errors import ContractError, Fault
from pid_lvlm.data.names import CROSSED_ARRAYS, MANIFEST_FILE, POOLINGS, by_number, feature_key, shard_file


@dataclass(frozen=True)
class Run:
    """A validated run: its manifest and its concatenated arrays (axes: `pid_lvlm.data.contract.schema.arrays`)."""

    folder: Path
    manifest: Manifest
    arrays: Mapping[str, NDArray]

    def __len__(self) -> int:
        return len(self.arrays["sample_id"])

    @property
    def crossed(self) -> Crossed | None:
        """Crossed pairs; None if the run has none, or if only some shards were read: partners are then missing."""
        return crossed_of(self.arrays)

    def features(self, source: int, pooling: str) -> NDArray:
        """Features (n, d) of source 1 or 2 under one pooling.

        Raises:
            ContractError: the run was written without this pooling.
        """
        key = feature_key(source, pooling)
        if key not in self.arrays:
            kept = ", ".join(self.manifest.poolings)
            raise ContractError(str(self.folder), [Fault(MANIFEST_FILE, f"no pooling {pooling!r}; it has {kept}")])
        return self.arrays[key]


def read_run(
    folder: str | Path,
    *,
    allow_partial: bool = False,
    poolings: Iterable[str] | None = None,
    shards: Sequence[int] | None = None,
    outline: RunOutline | None = None,
) -> Run:
    """Read and validate a run folder.

    Args:
        folder: the run folder.
        allow_partial: accept an unfinished run and use the shards it has.
        poolings: keep only the features with these poolings; by default all. All are read and checked.
        shards: indices of the shards to read; by default all.
        outline: the planned run: its shards are read, and must not have changed since.

    Raises:
        ContractError: lists every fault found.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from pid_lvlm.data import write_run
        >>> scores = np.log(np.full((5, 3, 4), 0.25))
        >>> folder = write_run(
        ...     tempfile.mkdtemp(), model="mine", dataset="toy", loglik=scores, x1=np.eye(5), x2=np.eye(5))
        >>> run = read_run(folder)
        >>> run.arrays["loglik"].shape  # samples, conditions, layers, options
        (5, 3, 1, 4)
        >>> run.manifest.model
        'mine'
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if outline is not None:
        _check_unchanged(outline, manifest)
        shards = outline.shards
    indices = shards_to_read(folder, manifest, allow_partial) if shards is None else shards
    kept = POOLINGS if poolings is None else set(poolings)
    skipped = {feature_key(source, pooling) for source in (1, 2) for pooling in POOLINGS if pooling not in kept}
    return Run(folder, manifest, _load(folder, manifest, indices, skipped))


def _check_unchanged(outline: RunOutline, manifest: Manifest) -> None:
    """Check that the planned shards are unchanged; other shards may be written meanwhile."""
    growing = {"finished": True, "checksums": {}}
    same = replace(manifest, **growing) == replace(outline.manifest, **growing)  # type: ignore[arg-type]
    if not same or content_checksums(outline.folder, outline.shards) != outline.checksums:
        message = "the run changed after it was planned; run the same command again"
        raise ContractError(str(outline.folder), [Fault(MANIFEST_FILE, message)])


def find_runs(paths: Iterable[str | Path]) -> list[Path]:
    """Run folders in `paths`, in natural order; each path is a run folder or a folder of run folders.

    Raises:
        ContractError: a path is neither.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if is_run(path):
            found.append(path)  # faults inside a manifest are found run by run
        elif children := [child for child in _children(path) if is_run(child)]:
            found += sorted(children, key=lambda child: by_number(child.name))
        else:
            read_manifest(path)  # raises with the reason
    return found


def is_run(folder: Path) -> bool:
    """Whether the folder has a manifest."""
    try:
        return (folder / MANIFEST_FILE).is_file()
    except (OSError, ValueError):  # an impossible folder name, or no permission
        return False


def _children(path: Path) -> list[Path]:
    try:
        return list(path.iterdir())
    except (OSError, ValueError):
        return []


def validate_run(folder: str | Path) -> list[Fault]:
    """All faults of a run folder and of the items it keeps; an empty list means that it is valid."""
    folder = Path(folder)
    try:
        run = read_run(folder, poolings=())
    except ContractError as error:
        return list(error.faults)
    return kept_files_faults(folder, run.manifest, *(run.arrays[name].tolist() for name in ("sample_id", "label")))


def _load(folder: Path, manifest: Manifest, indices: Sequence[int], skipped: Collection[str]) -> dict[str, NDArray]:
    """Check every whole shard, and return the requested arrays of all of them concatenated."""
    files = [shard_file(index) for index in indices]
    faults: list[Fault] = []
    shards: list[dict[str, NDArray]] = []
    ids: dict[str, NDArray] = {}
    for index, name in zip(indices, files, strict=True):
        arrays, wrong = checked_shard(folder, index, manifest)
        faults += wrong
        shards.append({array: values for array, values in arrays.items() if array not in skipped})
        if "sample_id" in arrays and not any(fault.array == "sample_id" for fault in wrong):
            ids[name] = arrays["sample_id"]
    faults += duplicate_id_faults(list(ids), list(ids.values()))
    whole = len(set(indices)) == manifest.num_shards
    if whole and not faults:
        faults += crossed_run_faults(files, shards)
    faults += changed_files(folder, files, manifest, {fault.file for fault in faults})
    if faults:
        raise ContractError(str(folder), faults)
    # A run started by an older version may lack an optional array in its first shards; the run then has none.
    shared = [name for name in shards[0] if all(name in arrays for arrays in shards)]
    if not whole:
        shared = [name for name in shared if name not in CROSSED_ARRAYS]
    if len(shards) == 1:
        return {name: shards[0][name] for name in shared}
    return {name: np.concatenate([arrays[name] for arrays in shards]) for name in shared}
