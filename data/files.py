"""Atomic file writes: write under a temporary name, flush, rename."""

import hashlib
import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from pid_lvlm.data.errors import PidError


def partial_file(path: Path) -> Path:
    """The temporary path of a file being written."""
    return path.with_name(f".{path.name}.partial")


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which gets its final name when the block ends: a reader sees the old file or the new one.

    Raises:
        PidError: the disk is full or the folder cannot be written. No partial file is ever left.
    """
    temporary = partial_file(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        with temporary.open("xb") as file:  # never through a link that someone has placed there
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        _forget(temporary)
        message = f"cannot write `{path}`: {error.strerror or error}; free space or choose another --out"
        raise PidError(message) from error
    except BaseException:
        _forget(temporary)
        raise


def _forget(temporary: Path) -> None:
    with suppress(OSError):
        temporary.unlink(missing_ok=True)


def write_atomic(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically: a reader sees the old file or the new one, never a part.

    Raises:
        PidError: the disk is full or the folder cannot be written; no partial file is left.
    """
    with atomic_file(path) as file:
        file.write(content)


def npz_bytes(arrays: Mapping[str, NDArray]) -> bytes:
    """Uncompressed npz: the same arrays give the same bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def write_npz(path: Path, arrays: Mapping[str, NDArray]) -> None:
    """Write arrays to an npz file, atomically."""
    write_atomic(path, npz_bytes(arrays))


def sha256(content: bytes) -> str:
    """SHA-256 of bytes in hexadecimal, as `sha256sum` prints it."""
    return hashlib.sha256(content).hexdigest()


def sha256_of_file(file: io.BufferedReader) -> str:
    """SHA-256 of an open file from its start, read in small chunks."""
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()
