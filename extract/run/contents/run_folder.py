"""A run folder being written: what may already exist, what is kept, what is added."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from pid_lvlm.data.command.shown import backticked
from pid_lvlm.data.contract.reading.npz import NpzError, read_npz
from pid_lvlm.data.contract.reading.run_folder import is_run
from pid_lvlm.data.contract.reading.validate import changed, load_shard, shard_fault
from pid_lvlm.data.contract.schema.manifest import Manifest, read_manifest
from pid_lvlm.data.contract.schema.receipt import Receipt
from pid_lvlm.data.errors import OutputExistsError, PidError
from pid_lvlm.data.files import atomic_file, npz_bytes, partial_file, sha256, sha256_of_file, write_atomic
from pid_lvlm.data.locks import is_lock
from pid_lvlm.data.names import ITEM_FILES, MANIFEST_FILE, NOISE_FILE, file_name, shard_file
from pid_lvlm.extract.conditions.noise import Arrays, NoiseStats, from_arrays, to_arrays


def run_path(out: Path, name: str) -> Path:
    """Folder of a run in `out`.

    Raises:
        FileNameError: the name would lead outside.
    """
    return out / file_name(name)


@dataclass(frozen=True)
class Found:
    """What an earlier command left of a run.

    Attributes:
        kept: indices of the shards that are intact and hold the right samples.
        damaged: files that exist but cannot be kept.
        missing: files that were written but no longer exist.
    """

    kept: frozenset[int] = frozenset()
    damaged: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def sentences(self) -> list[str]:
        """Messages about files that will be measured again."""
        named = [(name, "damaged") for name in self.damaged] + [(name, "missing") for name in self.missing]
        return [f"`{name}` is {what} and is measured again" for name, what in named]


def look_at(folder: Path, manifest: Manifest, shards: Sequence[Sequence[str]]) -> Found:
    """Check every file of a run, reading each once.

    Args:
        folder: the run's folder.
        manifest: its manifest.
        shards: sample ids of each shard.
    """
    kept, bad = [], []
    for index, ids in enumerate(shards):
        if shard_fault(folder, index, manifest) is None and _holds(folder, index, manifest, ids):
            kept.append(index)
        else:
            bad.append(shard_file(index))
    if NOISE_FILE in manifest.checksums and changed(folder, NOISE_FILE, manifest) is not None:
        bad.insert(0, NOISE_FILE)
    gone = [name for name in bad if not (folder / name).exists()]
    damaged = tuple(name for name in bad if name not in gone)
    return Found(frozenset(kept), damaged, tuple(gone) if manifest.finished else ())


def _holds(folder: Path, index: int, manifest: Manifest, ids: Sequence[str]) -> bool:
    arrays, faults = load_shard(folder, index, manifest, {"sample_id"})
    return not faults and np.array_equal(arrays["sample_id"], np.array(ids, dtype=np.str_))


class RunFolder:
    """A run folder being written. Checksums are added to the manifest before the files are added to the folder.

    A process killed in between leaves a file that is missing or has other bytes; either is measured again.

    Args:
        folder: the folder, locked by the caller; created if needed.
        manifest: the manifest of this run, with `finished` false.
        shards: sample ids of each shard.

    Attributes:
        complete: whether nothing is left to do.
        found: what already existed.

    Raises:
        OutputExistsError: the folder contains something else, or a run with other settings; it is left untouched.
    """

    def __init__(self, folder: Path, manifest: Manifest, shards: Sequence[Sequence[str]]) -> None:
        self.path = folder
        self.name = folder.name
        self.manifest = manifest
        self.found = Found()
        self.complete = False
        if is_run(folder):
            self._continue(read_manifest(folder), shards)
        elif folder.exists() and not is_blank(folder):
            raise OutputExistsError(_not_a_run(folder))
        else:
            manifest.write(folder)
        for leftover in folder.glob(PARTIAL_FILES):
            leftover.unlink()

    def _continue(self, existing: Manifest, shards: Sequence[Sequence[str]]) -> None:
        _check_same(self.path, existing, self.manifest, versions=not existing.finished)
        self.found = look_at(self.path, existing, shards)
        self.complete = existing.finished and not self.found.damaged and not self.found.missing
        if not self.complete:
            _check_same(self.path, existing, self.manifest, versions=True)
        unlisted = {shard_file(index) for index in self.found.kept} - set(existing.checksums)
        new = existing if self.complete else self.manifest
        self.manifest = replace(new, checksums=existing.checksums, receipt=existing.receipt)
        for name in sorted(unlisted):  # of an older version
            self._record(name, sha256((self.path / name).read_bytes()))

    def _record(self, name: str, checksum: str) -> None:
        checksums = {**self.manifest.checksums, name: checksum}
        self.manifest = replace(self.manifest, checksums=dict(sorted(checksums.items())))

    def discard_if_bare(self) -> None:
        """Remove the folder if it holds no measurement, for runs stopped by bad input."""
        if {path.name for path in self.path.iterdir()} <= {MANIFEST_FILE}:
            (self.path / MANIFEST_FILE).unlink()
            self.path.rmdir()

    def write_shard(self, index: int, arrays: Arrays) -> bool:
        """Write one shard atomically; returns whether its bytes match those of an earlier command, if any."""
        name, content = shard_file(index), npz_bytes(arrays)
        same = self.manifest.checksums.get(name) in (None, sha256(content))
        self._write(name, content)
        return same

    def noise_stats(self, sites: Sequence[str]) -> NoiseStats | None:
        """Statistics written before an interruption, if any."""
        if NOISE_FILE in (*self.found.damaged, *self.found.missing):
            return None
        try:
            arrays = read_npz(self.path / NOISE_FILE)[1]
            stats = from_arrays(arrays, sites)
        except (FileNotFoundError, NpzError, KeyError, TypeError, ValueError):
            return None
        if NOISE_FILE not in self.manifest.checksums:
            self._record(NOISE_FILE, sha256((self.path / NOISE_FILE).read_bytes()))
        return stats

    def write_noise_stats(self, stats: NoiseStats) -> None:
        """Write the statistics atomically.

        Raises:
            OutputExistsError: kept shards were measured with other statistics.
        """
        content = npz_bytes(to_arrays(stats))
        if self.found.kept and self.manifest.checksums.get(NOISE_FILE) not in (None, sha256(content)):
            message = (
                f"`{self.path / NOISE_FILE}` is damaged, and the newly measured statistics differ from those that the "
                "shards were measured with (another machine or --batch-size?); restore the file, or delete the folder "
                f"`{self.path}` and run the same command again"
            )
            raise OutputExistsError(message)
        self._write(NOISE_FILE, content)

    def _write(self, name: str, content: bytes) -> None:
        self._record(name, sha256(content))
        self.manifest.write(self.path)
        write_atomic(self.path / name, content)

    def write_file(self, name: str, fill: Callable[[BinaryIO], None]) -> None:
        """Write a file that is not a measurement, in pieces, atomically."""
        path = self.path / name
        with atomic_file(path) as file:
            fill(file)
            file.flush()
            with partial_file(path).open("rb") as written:
                self._record(name, sha256_of_file(written))
            self.manifest.write(self.path)

    def remove_file(self, name: str) -> None:
        """Remove a file from the run."""
        if name in self.manifest.checksums:
            checksums = {other: checksum for other, checksum in self.manifest.checksums.items() if other != name}
            self.manifest = replace(self.manifest, checksums=checksums)
            self.manifest.write(self.path)
        try:
            (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            message = f"cannot remove `{self.path / name}`: {error.strerror or error}; remove it yourself"
            raise PidError(message) from error

    def keep_receipt(self, receipt: Receipt) -> None:
        """Record the receipt; that of the command that started the run is kept."""
        if self.manifest.receipt is None:
            self.manifest = replace(self.manifest, receipt=receipt)
            self.manifest.write(self.path)

    def finish(self) -> None:
        """Mark the run as finished."""
        self.manifest = replace(self.manifest, finished=True)
        self.manifest.write(self.path)


def is_complete(folder: Path, manifest: Manifest) -> bool:
    """Whether a run is finished and none of its measurements has been lost or damaged since."""
    if not manifest.finished or any(shard_fault(folder, index, manifest) for index in range(manifest.num_shards)):
        return False
    return NOISE_FILE not in manifest.checksums or changed(folder, NOISE_FILE, manifest) is None


def describe_existing(
    folder: Path, settings: Mapping[str, Any], shards: Sequence[Sequence[str]], wanted: Sequence[str]
) -> str:
    """What a run would find in its folder and do, for the plan of a run.

    Args:
        folder: the run's folder.
        settings: fields of the run's manifest, as far as known.
        shards: sample ids of each shard.
        wanted: item files that the run should keep.
    """
    if not is_run(folder):
        return "nothing yet" if not folder.exists() or is_blank(folder) else f"refused: {_not_a_run(folder)}"
    existing = read_manifest(folder)
    if (other := _other_settings(folder, asdict(existing), settings)) is not None:
        return f"refused: {other}"
    found = look_at(folder, existing, shards)
    if existing.finished and not found.damaged and not found.missing:
        return f"complete; {_items_to_change(folder, existing, wanted) or 'the run would be skipped'}"
    samples = sum(len(shards[index]) for index in found.kept)
    there = f"{len(found.kept)} of {len(shards)} files ({samples} of {sum(map(len, shards))} samples)"
    damaged = f" and measure {', '.join(f'`{name}`' for name in found.damaged)} again" if found.damaged else ""
    return f"{there}; the run would continue{damaged}"


def _items_to_change(folder: Path, manifest: Manifest, wanted: Sequence[str]) -> str:
    """What would change in the kept items of a complete run; empty if nothing."""
    whole = {name for name in ITEM_FILES if name in manifest.checksums and changed(folder, name, manifest) is None}
    make = [name for name in wanted if name not in whole]
    remove = [name for name in ITEM_FILES if name not in wanted and (folder / name).exists()]
    changes = [f"{what} {backticked(names)}" for what, names in (("write", make), ("remove", remove)) if names]
    return f"the run would only {' and '.join(changes)}" if changes else ""


def _not_a_run(folder: Path) -> str:
    return f"`{folder}` exists and is not a run folder; choose another --out or --name, or move it away"


def _check_same(folder: Path, existing: Manifest, wanted: Manifest, *, versions: bool) -> None:
    """Check that a run is continued only with its original settings, and if unfinished, with the same versions.

    Row counts of the file are not a setting: older runs lack them, and the shards say which samples they hold.
    """
    ignored = {"finished", "recipe", "dataset_rows", "checksums", "receipt"} | (set() if versions else {"versions"})
    settings = {name: value for name, value in asdict(wanted).items() if name not in ignored}
    if (other := _other_settings(folder, asdict(existing), settings)) is not None:
        raise OutputExistsError(other)


FOLLOW_FROM_SAMPLES: Final = {"num_samples", "max_options", "candidates", "items_sha256"}
"""Fields that differ between runs that use more or fewer items of the same file."""


SINCE_LATER: Final = {"items_sha256"}
"""Fields that older runs lack; missing ones are not compared."""


def _other_settings(folder: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """The message about a run that was started with other settings; None if they are the same."""
    differing = [
        name for name in new if not _equal(old[name], new[name]) and not (name in SINCE_LATER and old[name] is None)
    ]
    if not differing:
        return None
    if "num_samples" in differing and set(differing) <= FOLLOW_FROM_SAMPLES:
        counts = f"holds a run of {old['num_samples']} items, and this command asks for {new['num_samples']} (--limit)"
        return (
            f"`{folder}` {counts}; a run cannot change its size: choose another --out, or delete the folder `{folder}` "
            "and run the same command again"
        )
    changes = "; ".join(_change(name, old[name], new[name]) for name in differing[:3])
    return f"`{folder}` holds a run with other settings ({changes}); choose another --out or delete that folder"


def _change(name: str, old: object, new: object) -> str:
    """The difference in words; for a mapping, its first differing entry."""
    if name == "items_sha256":
        return "its items or their pictures have changed since"
    if name == "conditions" and isinstance(old, list | tuple) and isinstance(new, list | tuple):
        return f"it has {_conditions(old, new)}, this command asks for {_conditions(new, old)} (--ablation)"
    if isinstance(old, dict) and isinstance(new, dict):
        entry = next(key for key in (*old, *new) if old.get(key) != new.get(key))
        return _change(f"{name}.{entry}", old.get(entry), new.get(entry))
    return f"{name} was {old!r}, now {new!r}"


def _conditions(of: Sequence[str], other: Sequence[str]) -> str:
    """Conditions of one run that another does not have."""
    return f"the conditions {backticked(more)}" if (more := [name for name in of if name not in other]) else "no more"


def _equal(old: object, new: object) -> bool:
    if isinstance(old, list | tuple) and isinstance(new, list | tuple):
        return list(old) == list(new)
    return old == new


PREVIEW_FILE: Final = "preview.txt"
PARTIAL_FILES: Final = ".*.partial"
"""Temporary names of files that were being written when a run was killed."""


def check_out_folder(out: Path) -> None:
    """Reject an output folder that contains something else.

    Raises:
        OutputExistsError: it is a file or inside one, or a non-empty folder without any run folder in it.
    """
    if file := next((place for place in (out, *out.parents) if place.exists() and not place.is_dir()), None):
        where = f"--out `{out}`" if file == out else f"--out `{out}`: `{file}`"
        raise OutputExistsError(f"{where} is a file; choose a folder")
    if not out.is_dir() or all(is_lock(child) for child in out.iterdir()):
        return
    children = [child for child in out.iterdir() if child.is_dir()]
    if any(is_run(child) or is_blank(child) for child in children):
        return
    if any((child / PREVIEW_FILE).is_file() for child in children):
        message = f"--out `{out}` contains a preview; choose another folder for runs, or delete the preview"
        raise OutputExistsError(message)
    message = f"--out `{out}` contains files but no run folder; choose a new or empty folder"
    raise OutputExistsError(message)


def is_blank(folder: Path) -> bool:
    """Whether a folder is empty, except for what a process killed before the first manifest leaves."""
    return folder.is_dir() and set(folder.iterdir()) <= set(folder.glob(PARTIAL_FILES))
