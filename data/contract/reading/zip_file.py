"""Reads untrusted zip files: any damage becomes one sentence, before much is read."""

import errno
import os
import stat
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from pid_lvlm.data.bounds import Bound
from pid_lvlm.data.errors import PidError
from pid_lvlm.data.inputs.schema import shown

if TYPE_CHECKING:
    from io import BufferedReader

LONGEST_ENTRY: Final = 1000
"""Maximum bytes of an entry in the table of contents, including what is said about it."""
_END: Final = struct.Struct("<4s4H2LH")
"""The end record of a zip file: signature, disks, entries, size and offset of the table of contents, comment length."""
_END_64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64: Final = struct.Struct("<4sLQL")
"""The end record of a file over 4 GB, and the locator between the two: where the longer one begins."""


class ZipError(PidError):
    """A file is not a valid zip file; the message is a clause such as `is compressed`."""


@contextmanager
def open_zip(path: Path, most: Bound) -> Iterator[zipfile.ZipFile]:
    """Open a zip file for reading.

    Args:
        path: the file.
        most: how many entries it may have.

    Raises:
        FileNotFoundError: the file does not exist.
        ZipError: it cannot be read, or has more entries. Any error that a damaged file causes inside the block also
            becomes this error.
    """
    try:
        with regular_file(path) as file:
            _check_end(file, most)
            with zipfile.ZipFile(file) as archive:
                yield archive
    except (FileNotFoundError, ZipError):
        raise
    except MemoryError:
        raise ZipError("does not fit into memory") from None
    except OSError as error:
        if error.errno == errno.EINVAL:  # an offset before the start of the file, from a damaged table
            raise ZipError("damaged or truncated (its table of contents points outside the file)") from None
        raise ZipError(f"cannot be read ({error.strerror or error})") from None
    except DAMAGE as error:
        raise ZipError(f"damaged or truncated ({shown(str(error))})") from None


DAMAGE: Final = (
    zipfile.BadZipFile,
    ValueError,
    EOFError,
    KeyError,
    OverflowError,
    NotImplementedError,
    RuntimeError,  # raised for encrypted entries
    struct.error,
)
"""Errors that zipfile, and numpy on its entries, raise on damaged bytes."""


@contextmanager
def regular_file(path: Path) -> "Iterator[BufferedReader]":
    """Open a file for reading; not a pipe, which would wait for a writer.

    Raises:
        FileNotFoundError: the file does not exist.
        OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError("not a regular file")
        yield file


def _check_end(file: IO[bytes], most: Bound) -> None:
    """Check that the table of contents is small enough to read and that no comment follows it."""
    file.seek(max(file.seek(0, os.SEEK_END) - _END_64.size - _LOCATOR_64.size - _END.size, 0))
    *before, end = _split(file.read())
    if len(end) < _END.size or not end.startswith(b"PK\5\6"):
        raise ZipError("damaged or truncated (the end of the zip file is missing)")
    entries, table = _END.unpack(end)[4:6]
    if before[1].startswith(b"PK\6\7") and len(before[0]) == _END_64.size:
        entries, table = _END_64.unpack(before[0])[7:9]
    if entries > most.most or table > most.most * LONGEST_ENTRY:
        raise ZipError(f"has {entries:,} {most.unit} in a table of {table:,} bytes; at most {most}")
    file.seek(0)


def _split(tail: bytes) -> tuple[bytes, bytes, bytes]:
    """The longer end record, the locator and the end record, as far as they exist."""
    rest, end = tail[: -_END.size], tail[-_END.size :]
    return rest[: -_LOCATOR_64.size], rest[-_LOCATOR_64.size :], end
