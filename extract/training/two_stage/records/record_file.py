"""Files of training records: locates each record, so that any one can be read while the file stays on disk."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pid_lvlm.data.bounds import RECORD, RECORDS
from pid_lvlm.data.command.shown import shown_path
from pid_lvlm.data.inputs.paths import open_regular
from pid_lvlm.data.inputs.text import TextError, parse_json
from pid_lvlm.extract.training.two_stage.errors import DataError, RecordError

_MARK: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\]]', re.DOTALL)
"""Matches whole strings and brackets, which determine where a record ends."""
_OPENING: Final = (ord("{"), ord("["))
_SPACE: Final = b" \t\r\n"
_EXPECTED: Final = "should be an object with `conversations`, separated from others by one comma"


class RecordFile:
    """A file with a list of JSON objects, or with one object per line.

    Only the positions of the records are kept in memory.

    Attributes:
        path: the file.
        spans: start and end (exclusive) of each record in bytes, shape (records, 2).
    """

    def __init__(self, path: Path) -> None:
        """Find the records.

        Raises:
            DataError: the file does not exist, is not a list of records, or has a record that is too long.
        """
        self.path = path
        try:
            with open_regular(path) as file:
                if not file.read(1):
                    raise DataError(f"`{shown_path(path)}` is empty; expected a JSON list of records")
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    self.spans: NDArray[np.int64] = np.array(list(_spans(content, path)), np.int64).reshape(-1, 2)
        except FileNotFoundError:
            raise DataError(
                f"`{shown_path(path)}` does not exist; check `data` of the recipe and --data-folder"
            ) from None
        except (OSError, ValueError) as error:
            message = f"`{shown_path(path)}` cannot be read ({getattr(error, 'strerror', None) or error})"
            raise DataError(message) from None
        if not len(self.spans):
            raise DataError(f"`{shown_path(path)}` has no records; expected a JSON list of at least one")

    def __len__(self) -> int:
        return len(self.spans)

    def __getitem__(self, index: int) -> Any:
        """The content of one record.

        Raises:
            RecordError: it is not JSON.
        """
        start, stop = self.spans[index].tolist()
        with self.path.open("rb") as file:
            file.seek(start)
            content = file.read(stop - start)
        try:
            return parse_json(content.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise RecordError(f"is not UTF-8 text ({error.reason})") from None
        except TextError as error:
            raise RecordError(str(error)) from None


def _spans(content: mmap.mmap, path: Path) -> Iterator[tuple[int, int]]:
    """Positions of the objects in the outermost list, or in a file of lines."""
    begin = 3 if content[:3] == b"\xef\xbb\xbf" else 0
    first = re.compile(rb"\S").search(content, begin)
    is_list = first is not None and first[0] == b"["
    if first is not None and first[0] not in b"[{":
        message = "is not JSON text that begins with a list of records; is it compressed, or a pointer of Git LFS?"
        raise DataError(f"`{shown_path(path)}` {message}")
    last = first.end() if first is not None and is_list else begin
    depth = count = start = 0
    closed = not is_list
    for mark in _MARK.finditer(content, last):
        kind = content[mark.start()]
        if kind == ord('"'):
            continue
        if kind in _OPENING:
            if depth == 0:
                start = mark.start()
                _check_between(content[last:start], count, is_list, kind, path)
            depth += 1
            continue
        if depth == 0:
            closed = is_list and kind == ord("]")
            _check_end(content, last, mark.start(), mark.end(), count, closed, path)
            break
        depth -= 1
        if depth == 0:
            last = mark.end()
            if last - start > RECORD.most:
                raise _wrong(path, count, f"has more than {RECORD}; is a bracket missing?")
            yield start, last
            count += 1
            if count > RECORDS.most:
                raise DataError(f"`{shown_path(path)}` has more than {RECORDS}; split it")
    else:
        if depth or not closed:
            raise _wrong(path, count, "is cut off; the file ends in the middle of the list, copy it again")
        _check_end(content, last, len(content), len(content), count, True, path)


def _check_between(between: bytes, count: int, is_list: bool, kind: int, path: Path) -> None:
    expected = b"," if is_list and count else b""
    if between.strip(_SPACE) != expected or kind != ord("{"):
        raise _wrong(path, count, _EXPECTED)


def _check_end(content: mmap.mmap, last: int, stop: int, after: int, count: int, closed: bool, path: Path) -> None:
    if closed and content[last:stop].strip(_SPACE):
        raise _wrong(path, count, _EXPECTED)
    if not closed or content[after:].strip(_SPACE):
        raise _wrong(path, count, "is unexpected: only the end of the list may follow the last record")


def _wrong(path: Path, index: int, what: str) -> DataError:
    return DataError(f"`{shown_path(path)}`, record {index}: {what}")
