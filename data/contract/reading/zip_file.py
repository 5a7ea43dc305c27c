"""zip files read with suspicion: whatever their bytes say becomes a sentence, before much is read."""

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
"""Bytes of an entry of the table of contents, and of what is said about it."""
_END: Final = struct.Struct("<4s4H2LH")
"""The end of a zip file: signature, disks, entries, size and place of its table of contents, length of a comment."""
_END_64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64: Final = struct.Struct("<4sLQL")
"""The same of a file of more than 4 GB, and what comes between the two ends: where the longer one begins."""


class ZipError(PidError):
    """A file is not the zip file that it should be; the message is a clause such as `is compressed`."""


@contextmanager
def open_zip(path: Path, most: Bound) -> Iterator[zipfile.ZipFile]:
    """Open a zip file for reading.

    Args:
        path: the file.
        most: how many entries it may have.

    Raises:
        FileNotFoundError: the file does not exist.
        ZipError: it cannot be read, or has more entries. Whatever a damaged file raises inside the block becomes this
            error, too.
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
        if error.errno == errno.EINVAL:  # a place before the file's beginning, which a damaged table names
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
    RuntimeError,  # says that it is encrypted
    struct.error,
)
"""What zipfile, and numpy on its entries, raise on bytes that are not what they should be."""


@contextmanager
def regular_file(path: Path) -> "Iterator[BufferedReader]":
    """A file opened for reading; not a pipe, which would wait for a writer.

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
    """A table of contents of a size that is worth reading, and no comment after it."""
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
    """The longer end, the locator and the end, as far as they are there."""
    rest, end = tail[: -_END.size], tail[-_END.size :]
    return rest[: -_LOCATOR_64.size], rest[-_LOCATOR_64.size :], end
