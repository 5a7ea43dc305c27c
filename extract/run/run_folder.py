"""A run folder while it is written: what may already be there, what is kept, what is added."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from pid_lvlm.data.contract.manifest import Manifest, read_manifest
from pid_lvlm.data.contract.validate import load_shard
from pid_lvlm.data.errors import OutputExistsError
from pid_lvlm.data.files import write_npz
from pid_lvlm.data.names import MANIFEST_FILE, NOISE_FILE, shard_file
from pid_lvlm.extract.conditions.noise import Arrays, NoiseStats, from_arrays, to_arrays


class RunFolder:
    """A run folder that is being written.

    Args:
        folder: the folder; made if needed.
        manifest: what this run is, `finished` false.

    Raises:
        OutputExistsError: the folder contains something else, or a run with other settings; it is left untouched.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.path = folder
        self.name = folder.name
        self.manifest = manifest
        self.finished = False
        if is_run(folder):
            existing = read_manifest(folder)
            _check_same(folder, existing, manifest)
            self.finished = is_complete(folder, existing)
        elif folder.exists() and not is_blank(folder):
            raise OutputExistsError(_not_a_run(folder))
        else:
            manifest.write(folder)
        for leftover in folder.glob(PARTIAL_FILES):
            leftover.unlink()

    def discard_if_bare(self) -> None:
        """Remove the folder if it holds no measurement, for runs that bad input stops."""
        if {path.name for path in self.path.iterdir()} <= {MANIFEST_FILE}:
            (self.path / MANIFEST_FILE).unlink()
            self.path.rmdir()

    def has_shard(self, index: int, ids: Sequence[str]) -> bool:
        """Whether shard `index` is there, whole, and holds these samples."""
        return has_shard(self.path, index, ids)

    def write_shard(self, index: int, arrays: Arrays) -> None:
        """Write one shard, all of it or nothing."""
        write_npz(self.path / shard_file(index), arrays)

    def noise_stats(self, sites: Sequence[str]) -> NoiseStats | None:
        """Statistics written before an interruption, if any."""
        arrays, broken = load_shard(self.path / NOISE_FILE)
        return None if broken else from_arrays(arrays, sites)

    def write_noise_stats(self, stats: NoiseStats) -> None:
        """Write the statistics, all of them or nothing."""
        write_npz(self.path / NOISE_FILE, to_arrays(stats))

    def finish(self) -> None:
        """Mark the run as finished."""
        replace(self.manifest, finished=True).write(self.path)
        self.finished = True


def is_complete(folder: Path, manifest: Manifest) -> bool:
    """Whether a run is finished and none of its shards has been lost since."""
    return manifest.finished and all((folder / shard_file(index)).exists() for index in range(manifest.num_shards))


def has_shard(folder: Path, index: int, ids: Sequence[str]) -> bool:
    """Whether shard `index` of a run folder is there, whole, and holds these samples."""
    arrays, broken = load_shard(folder / shard_file(index), {"sample_id"})
    return not broken and np.array_equal(arrays.get("sample_id", np.array([])), np.array(ids, dtype=np.str_))


def describe_existing(folder: Path, settings: Mapping[str, Any], shards: Sequence[Sequence[str]]) -> str:
    """What a run would find in its folder and do about it, for the plan of a run.

    Args:
        folder: the run's folder.
        settings: fields of the run's manifest, as far as they are known.
        shards: sample ids of each shard.
    """
    if not is_run(folder):
        return "nothing yet" if not folder.exists() or is_blank(folder) else f"refused: {_not_a_run(folder)}"
    existing = read_manifest(folder)
    if (other := _other_settings(folder, asdict(existing), settings)) is not None:
        return f"refused: {other}"
    if is_complete(folder, existing):
        return "complete; the run would be skipped"
    there = [ids for index, ids in enumerate(shards) if has_shard(folder, index, ids)]
    samples = sum(map(len, there))
    return f"{len(there)} of {len(shards)} files ({samples} of {sum(map(len, shards))} samples); the run would continue"


def _not_a_run(folder: Path) -> str:
    return f"`{folder}` exists and is not a run folder; choose another --out or --name, or move it away"


def _check_same(folder: Path, existing: Manifest, wanted: Manifest) -> None:
    """A run is continued only under the settings it was started with. Versions stop mattering once it is finished.

    Counts of the file's rows are not a setting: older runs lack them, and the shards say which samples they hold.
    """
    ignored = {"finished", "recipe", "dataset_rows"} | ({"versions"} if existing.finished else set())
    settings = {name: value for name, value in asdict(wanted).items() if name not in ignored}
    if (other := _other_settings(folder, asdict(existing), settings)) is not None:
        raise OutputExistsError(other)


FOLLOW_FROM_SAMPLES: Final = {"num_samples", "max_options", "candidates", "items_sha256"}
"""What differs between runs of the same file when they take more or fewer of its items."""


SINCE_LATER: Final = {"items_sha256"}
"""Fields that older runs lack: what they do not say is not compared."""


def _other_settings(folder: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """The sentence about a run that was started with other settings; None if they are the same."""
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
    """What differs, in words; of a mapping its first entry that does."""
    if name == "items_sha256":
        return "its items or their pictures have changed since"
    if isinstance(old, dict) and isinstance(new, dict):
        entry = next(key for key in (*old, *new) if old.get(key) != new.get(key))
        return _change(f"{name}.{entry}", old.get(entry), new.get(entry))
    return f"{name} was {old!r}, now {new!r}"


def _equal(old: object, new: object) -> bool:
    if isinstance(old, list | tuple) and isinstance(new, list | tuple):
        return list(old) == list(new)
    return old == new


PREVIEW_FILE: Final = "preview.txt"
PARTIAL_FILES: Final = ".*.partial"
"""Temporary names of files that were being written when a run was killed."""


def check_out_folder(out: Path) -> None:
    """Refuse a folder for runs that contains something else.

    Raises:
        OutputExistsError: it is a file, or a non-empty folder without any run folder in it.
    """
    if out.exists() and not out.is_dir():
        message = f"--out `{out}` is a file; choose a folder"
        raise OutputExistsError(message)
    if not out.is_dir() or not any(out.iterdir()):
        return
    children = [child for child in out.iterdir() if child.is_dir()]
    if any(is_run(child) or is_blank(child) for child in children):
        return
    if any((child / PREVIEW_FILE).is_file() for child in children):
        message = f"--out `{out}` contains a preview; choose another folder for runs, or delete the preview"
        raise OutputExistsError(message)
    message = f"--out `{out}` contains files but no run folder; choose a new or empty folder"
    raise OutputExistsError(message)


def is_run(folder: Path) -> bool:
    """Whether there is a manifest."""
    return (folder / MANIFEST_FILE).is_file()


def is_blank(folder: Path) -> bool:
    """Empty but for what a process killed before the first manifest leaves."""
    return folder.is_dir() and set(folder.iterdir()) <= set(folder.glob(PARTIAL_FILES))
