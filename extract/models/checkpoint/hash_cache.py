"""Cache of hashes of large files between commands, valid while a file's size, times and inode stay the same."""

import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from pid_lvlm.data.errors import PidError
from pid_lvlm.data.files import write_atomic
from pid_lvlm.data.inputs.schema import STRICT, checked
from pid_lvlm.data.inputs.text import parse_json, read_text

SWITCH: Final = "PID_LVLM_HASH_CACHE"
"""Environment variable: `off` rereads every file."""

SMALLEST: Final = 1 << 20
"""Smaller files are faster to hash than to look up."""

SETTLED_SECONDS: Final = 2.0
"""A file that changed this recently may change again within one tick of the file system's clock: it is not cached."""


@dataclass(frozen=True)
class Stamp:
    """Metadata that shows that a file is unchanged.

    Attributes:
        size: bytes.
        modified: time of the last change of its content, in ns; can be set back.
        changed: time of the last change of content or attributes, in ns; set only by the system.
        inode: number of the file on its file system.
    """

    __pydantic_config__ = STRICT

    size: int
    modified: int
    changed: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """Make it from a file's stat result."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)

    def is_settled(self, now: float) -> bool:
        """Whether the last change is long enough ago for the stamp to reveal a later one."""
        return max(self.modified, self.changed) / 1e9 < now - SETTLED_SECONDS


@dataclass(frozen=True)
class _Entry:
    __pydantic_config__ = STRICT

    path: str
    stamp: Stamp
    sha256: str


class HashCache:
    """Cached hashes, one small file each; entries that are damaged or cannot be written are ignored.

    Args:
        folder: the cache folder, by default `pid-lvlm/hashes` in the user's cache folder; None disables the cache.
    """

    def __init__(self, folder: Path | None = None) -> None:
        off = os.environ.get(SWITCH, "").lower() in {"off", "0", "no", "false"}
        self._folder = folder or (None if off else user_folder())

    def get(self, path: Path) -> str | None:
        """Hash of a file, if it is cached and the file has not changed since."""
        if self._folder is None:
            return None
        try:
            stamp = Stamp.of(path.stat())
            if stamp.size < SMALLEST:
                return None
            entry = checked(_Entry, parse_json(read_text(self._file(path))))
        except (OSError, PidError):
            return None
        return entry.sha256 if (entry.path, entry.stamp) == (_key(path), stamp) else None

    def put(self, path: Path, stamp: Stamp, sha256: str) -> None:
        """Cache a hash."""
        if self._folder is None or stamp.size < SMALLEST or not stamp.is_settled(time.time()):
            return
        try:
            entry = json.dumps(asdict(_Entry(_key(path), stamp, sha256)))
            write_atomic(self._file(path), entry.encode())
        except (OSError, ValueError, PidError):
            return

    def _file(self, path: Path) -> Path:
        name = hashlib.sha256(os.fsencode(_key(path))).hexdigest()[:32]
        return Path(self._folder or "", f"{name}.json")


def _key(path: Path) -> str:
    return os.path.realpath(path)


def user_folder() -> Path:
    """The folder of cached hashes."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root and Path(root).is_absolute() else Path("~/.cache").expanduser()) / "pid-lvlm" / "hashes"
