"""Files of a hub model in the hub cache, which names each by the hash of its content: damage can be detected."""

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from huggingface_hub import try_to_load_from_cache

from pid_lvlm.extract.config import ModelSpec
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.models.checkpoint.fingerprint import checkpoint_files, file_hashes

SHA256: Final = re.compile(r"[0-9a-f]{64}")
GIT_SHA1: Final = re.compile(r"[0-9a-f]{40}")
MARKS: Final = ("config.json", "adapter_config.json")
"""Files used to find the cached state of a model: every model has one of them."""


def snapshot_folder(spec: ModelSpec) -> Path | None:
    """Folder with the downloaded files of a pinned hub model; None if nothing was downloaded."""
    for name in MARKS:
        found = try_to_load_from_cache(spec.model, name, revision=spec.revision)
        if isinstance(found, str):
            return Path(found).parent
    return None


def check_downloaded(spec: ModelSpec) -> None:
    """Compare every downloaded file with the hash published by the hub.

    A commit identifies a hub model, but does not show whether a file was damaged or edited on this disk.

    Raises:
        ModelError: names the first file that differs.
    """
    folder = snapshot_folder(spec)
    names = [] if folder is None else checkpoint_files(folder)
    blobs = [Path(os.path.realpath(Path(folder or "", name))) for name in names]
    large = [(name, blob) for name, blob in zip(names, blobs, strict=True) if SHA256.fullmatch(blob.name)]
    small = [(name, blob) for name, blob in zip(names, blobs, strict=True) if GIT_SHA1.fullmatch(blob.name)]
    _compare(spec, large, file_hashes([blob for _, blob in large]))
    _compare(spec, small, [_git_sha1(blob) for _, blob in small])


def _compare(spec: ModelSpec, files: Sequence[tuple[str, Path]], found: Sequence[str]) -> None:
    for (name, blob), hash_ in zip(files, found, strict=True):
        if hash_ != blob.name:
            message = (
                f"`{name}` of `{spec.model}` is not the file that the hub published: it was damaged or edited in the "
                f"cache; delete `{blob}` and run the same command again to download it"
            )
            raise ModelError(message)


def _git_sha1(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
