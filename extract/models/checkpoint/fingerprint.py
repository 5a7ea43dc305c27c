"""Identity of a checkpoint: a hash of all bytes of all files loaded from it; hashes of large files are cached."""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.models.checkpoint.hash_cache import HashCache, Stamp

NOT_LOADED: Final = re.compile(
    r"(README|LICENSE)(\..*)?|\.gitattributes|training_args\.(bin|json)|trainer_state\.json|"
    r"(optimizer|scheduler|scaler)[\w.-]*|rng_state[\w.-]*\.pth"
)
"""Files that training or downloading leaves next to a model, and that no loader opens."""

OTHER_FOLDERS: Final = re.compile(r"\..*|(global_step|checkpoint-)\d+|runs|logs|wandb")
"""Folders that are not part of the checkpoint: download metadata, other checkpoints, logs."""

PIECE: Final = 4 << 20
"""Bytes that a thread reads and hashes at a time; hashlib releases the GIL meanwhile."""

SAMPLED_BYTES: Final = 1 << 20
SAMPLED: Final = re.compile(r"files-[0-9a-f]{16}(?![0-9a-f])")
"""Marks folder identities of earlier versions: a hash of both ends of its files."""


def fingerprint(folder: Path, cache: HashCache | None = None) -> str:
    """Identity of a checkpoint folder: depends on the content of all loaded files, not on their dates.

    Args:
        folder: the checkpoint.
        cache: cached hashes; by default the user's cache.

    Raises:
        ModelError: a file cannot be read, or changes while it is read.
    """
    names = checkpoint_files(folder)
    digest = hashlib.sha256()
    for name, found in zip(names, file_hashes([folder / name for name in names], cache), strict=True):
        digest.update(f"{name}\0{found}\n".encode("utf-8", "surrogateescape"))
    return f"files-sha256-{digest.hexdigest()[:32]}"


def checkpoint_files(folder: Path) -> list[str]:
    """Files of a checkpoint that are loaded, in a fixed order, relative to the folder."""
    return sorted(path.relative_to(folder).as_posix() for path in _walk(folder) if not NOT_LOADED.fullmatch(path.name))


def checkpoint_stamps(folder: Path) -> dict[str, Stamp]:
    """Size and times of each loaded file, by name."""
    return {name: Stamp.of((folder / name).stat()) for name in checkpoint_files(folder)}


def bytes_to_hash(folder: Path, cache: HashCache | None = None) -> int:
    """Bytes that `fingerprint` would have to read: those of files without a cached hash."""
    cache = cache or HashCache()
    paths = [folder / name for name in checkpoint_files(folder)]
    try:
        return sum(path.stat().st_size for path in paths if cache.get(path) is None)
    except OSError:  # reported when they are hashed
        return 0


def file_hashes(paths: Sequence[Path], cache: HashCache | None = None) -> list[str]:
    """SHA-256 of files, several at a time, as `sha256sum` prints it.

    Raises:
        ModelError: a file cannot be read, or changes while it is read.
    """
    cache = cache or HashCache()
    with ThreadPoolExecutor(max_workers=min(16, os.cpu_count() or 1)) as pool:
        return list(pool.map(lambda path: _file_hash(path, cache), paths))


def _file_hash(path: Path, cache: HashCache) -> str:
    known = cache.get(path)
    if known is not None:
        return known
    digest = hashlib.sha256()
    try:
        with path.open("rb", buffering=0) as file:
            before = Stamp.of(os.fstat(file.fileno()))
            buffer = memoryview(bytearray(min(PIECE, max(1, before.size))))
            while count := file.readinto(buffer):
                digest.update(buffer[:count])
            after = Stamp.of(os.fstat(file.fileno()))
    except OSError as error:
        raise ModelError(f"`{path}` cannot be read ({error.strerror or error}); repair the checkpoint") from error
    if before != after:
        raise ModelError(f"`{path}` changed while it was read; wait until the checkpoint is complete, and run again")
    cache.put(path, after, digest.hexdigest())
    return digest.hexdigest()


def _walk(folder: Path) -> Iterator[Path]:
    """All files in a folder, recursively; a link to a folder counts as the folder, once."""
    seen: set[tuple[int, int]] = set()
    for top, folders, files in os.walk(folder, followlinks=True):
        status = Path(top).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not OTHER_FOLDERS.fullmatch(name))
        yield from (path for name in files if (path := Path(top, name)).is_file())


def is_sampled(revision: str | None) -> bool:
    """Whether a run's revision is from an earlier version, which hashed only both ends of each file."""
    return revision is not None and SAMPLED.search(revision) is not None


def sampled_fingerprint(folder: Path) -> str:
    """Identity of a folder as computed by earlier versions, for runs they started."""
    digest = hashlib.sha256()
    names = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    for name in sorted(n.as_posix() for n in names if not any(part.startswith(".") for part in n.parts[:-1])):
        path = folder / name
        size = path.stat().st_size
        digest.update(f"{name}:{size}:".encode())
        with path.open("rb") as file:
            digest.update(file.read(SAMPLED_BYTES))
            file.seek(max(0, size - SAMPLED_BYTES))
            digest.update(file.read(SAMPLED_BYTES))
    return f"files-{digest.hexdigest()[:16]}"
