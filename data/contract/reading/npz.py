"""Reads untrusted npz files: headers are checked against the file before memory is allocated for an array."""

import warnings
import zipfile
from collections.abc import Collection, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from pid_lvlm.data.bounds import CELL, MEMBERS
from pid_lvlm.data.command.shown import SHOWN
from pid_lvlm.data.contract.reading.zip_file import ZipError, open_zip
from pid_lvlm.data.inputs.schema import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS: Final = "biufU"
"""dtype kinds that are read: booleans, integers, floats and text; never objects."""
LONGEST_HEADER: Final = 1000
"""Maximum characters of an npy header."""
TEXT_BYTES: Final = 4
"""Bytes per character in a text array."""


class NpzError(ZipError):
    """A file is not a valid npz; the message is a clause such as `is compressed`."""


@dataclass(frozen=True)
class Member:
    """One array of an npz file, as its header describes it."""

    info: zipfile.ZipInfo
    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def checksum(self) -> str:
        """Size and CRC-32 from the table of contents."""
        return checksum(self.info)


def checksum(info: zipfile.ZipInfo) -> str:
    """Size and CRC-32 of an entry from the table of contents."""
    return f"{info.file_size}:{info.CRC}"


class Npz:
    """An open npz file: its contents, and its arrays, each read on request."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.entries = _entries(archive)

    def members(self) -> dict[str, Member]:
        """Every array by name, from its header.

        Raises:
            NpzError: a header does not describe an array of numbers or text, or its shape does not match the bytes.
        """
        return {name: self._member(name, info) for name, info in self.entries.items()}

    def _member(self, name: str, info: zipfile.ZipInfo) -> Member:
        with self._archive.open(info) as file:
            shape, _, dtype = _header(file)
            start = file.tell()
        if dtype.kind not in KINDS or dtype.hasobject or dtype.itemsize == 0 or dtype.subdtype is not None:
            raise NpzError(f"array `{name}` is of type {dtype}, not numbers or text")
        if dtype.kind == "U" and dtype.itemsize > CELL.most * TEXT_BYTES:
            raise NpzError(f"array `{name}` has texts of more than {CELL}")
        size = dtype.itemsize
        for length in shape:  # Python's integers do not overflow
            size *= length
        if start + size != info.file_size:
            raise NpzError(f"array `{name}` declares shape {shape} and {dtype}, which does not match its bytes")
        return Member(info, dtype, shape)

    def read(self, member: Member) -> NDArray:
        """Read one array and verify its CRC-32.

        Raises:
            MemoryError: it does not fit into memory.
        """
        with self._archive.open(member.info) as file:
            array: NDArray = npy.read_array(file, allow_pickle=False, max_header_size=LONGEST_HEADER)
        return array


def _entries(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    entries = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if not name.isprintable() or len(name) > SHOWN:
            raise NpzError(f"has an array named {shown(name)}, which a run does not have")
        if name in entries:
            raise NpzError(f"has the array `{name}` twice")
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise NpzError("is compressed; write it with numpy.savez, which does not compress")
        entries[name] = info
    return entries


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = npy.read_magic(file)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise NpzError(f"has an array of npy version {version}; expected 1.0 or 2.0")
    try:
        return readers[version](file, max_header_size=LONGEST_HEADER)
    except zipfile.BadZipFile:
        raise
    except Exception as error:  # numpy parses the header as Python source, which can fail in many ways
        raise NpzError(f"damaged or truncated (the header of an array: {type(error).__name__})") from None


@contextmanager
def open_npz(path: Path) -> "Iterator[Npz]":
    """Open an npz file.

    Raises:
        FileNotFoundError: the file does not exist.
        NpzError: it cannot be read, or is not an npz file as numpy.savez writes it. Any error that a damaged file
            causes inside the block also becomes this error.
    """
    try:
        with (
            open_zip(path, MEMBERS) as archive,
            warnings.catch_warnings(action="ignore"),
        ):  # from numpy, about old headers
            yield Npz(archive)
    except NpzError:
        raise
    except ZipError as error:
        raise NpzError(str(error)) from None


def read_npz(path: Path, names: Collection[str] | None = None) -> tuple[Mapping[str, Member], dict[str, NDArray]]:
    """Headers of all arrays of an npz file, and the requested arrays (by default all).

    Raises:
        FileNotFoundError: the file does not exist.
        NpzError: it is damaged.
    """
    with open_npz(path) as npz:
        members = npz.members()
        return members, {n: npz.read(member) for n, member in members.items() if names is None or n in names}
