"""A path is taken literally first: it is a pattern only if no such file exists. Only regular files are read."""

import errno
import os
import stat
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO, Final

PATTERN_MARKS: Final = "*?["

_KINDS: Final = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a named pipe"))


def matching_files(source: Path) -> Sequence[Path]:
    """The file with exactly this name, or else the files that its last part matches as a pattern, sorted by name.

    As in a shell, `*` does not match the leading dot of a hidden file.

    Returns:
        The files; none if nothing matches.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("items[1].csv", "items1.csv"):
        ...     (folder / name).touch()
        >>> [file.name for file in matching_files(folder / "items[1].csv")]
        ['items[1].csv']
        >>> [file.name for file in matching_files(folder / "items?.csv")]
        ['items1.csv']
    """
    if is_there(source):
        return [source]
    if not is_pattern(source):
        return []
    try:
        names = [entry.name for entry in os.scandir(source.parent)]
    except (OSError, ValueError):  # no such folder, or an impossible name
        return []
    hidden = source.name.startswith(".")
    matching = [name for name in names if hidden or not name.startswith(".")]
    return [source.parent / name for name in sorted(matching) if fnmatchcase(name, source.name)]


def is_pattern(source: Path) -> bool:
    """Whether the last part of a path contains pattern characters."""
    return any(mark in source.name for mark in PATTERN_MARKS)


def is_there(path: Path) -> bool:
    """Whether the path exists; false for an impossible name, such as one of 100,000 characters."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading bytes, unless reading it could block forever or never end.

    Raises:
        FileNotFoundError: the file does not exist.
        OSError: it cannot be opened, or is a folder, a pipe or a device; `strerror` says so.
        ValueError: the name is impossible for a file.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # a pipe must not wait for a writer
    descriptor = os.open(path, flags)
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISREG(kind):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    found = next((name for test, name in _KINDS if test(kind)), "a device")
    raise OSError(errno.EINVAL, f"it is {found}, not a regular file", str(path))
