"""Result tables as parquet files: bounded in size, and with a checksum that detects later corruption.

polars aborts the whole process on some damaged files. A file is therefore only read here if its checksum is right, or
if another process has read it.
"""

import hashlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import polars as pl

from pid_lvlm.data.bounds import RESULT_COLUMNS, RESULT_FILE, RESULT_ROWS
from pid_lvlm.data.contract.table.result_checks import TableError
from pid_lvlm.data.files import write_atomic
from pid_lvlm.data.inputs.paths import open_regular

CHECKSUM: Final = "pid_lvlm.sha256"
"""Metadata key of the file's hash, computed with zeros in place of the hash. Tables of older versions, and tables
rewritten by another program, have none."""
CHECKSUMS: Final = (CHECKSUM, "pid_lvlm.sha256_again")
"""A second copy: it tells a table with a damaged checksum from one that never had any."""

_ZEROS: Final = b"0" * 64
_MARK: Final = re.compile(rb"pid_lvlm\.sha256(?:_again)?\x18\x40([0-9a-f]{64})")
"""Key and value as stored in the file's footer: `\\x18\\x40` is a text of 64 bytes in Thrift's compact protocol."""

MAGIC: Final = b"PAR1"

ROWS_PER_BYTE: Final = 4
"""Maximum plausible rows per byte: every row has a name of its own."""

PROBE: Final = """
import io, resource, sys
content = sys.stdin.buffer.read()
most = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (most, most))
import polars
try:
    rows = polars.scan_parquet(io.BytesIO(content)).select(polars.len()).collect().item()
    if rows > int(sys.argv[2]):
        sys.exit(f"it claims {rows:,} rows")
    if len(polars.read_parquet_schema(io.BytesIO(content))) <= int(sys.argv[3]):
        polars.read_parquet(io.BytesIO(content))
except (Exception, polars.exceptions.PanicException) as error:
    sys.exit(" ".join(str(error).split())[:200])
"""
PROBE_SECONDS: Final = 120
PROBE_BYTES: Final = 2**32
"""Memory that reading may take, in addition to 50 times the file's size."""


def write_frame(path: Path, frame: pl.DataFrame) -> None:
    """Write a table atomically as a parquet file that holds its own checksum.

    Raises:
        PidError: the file cannot be written.
    """
    buffer = io.BytesIO()
    frame.write_parquet(buffer, metadata=dict.fromkeys(CHECKSUMS, _ZEROS.decode()))
    content = bytearray(buffer.getvalue())
    digest = hashlib.sha256(content).hexdigest().encode()
    for start, end in _places(content):
        content[start:end] = digest
    write_atomic(path, bytes(content))


def read_table(path: Path) -> pl.DataFrame:
    """Read a parquet file, unchecked; `pid_lvlm.data.contract.table.result_checks` tells whether it is a result table.

    Raises:
        TableError: the file does not exist, is not parquet, is truncated or too large, or has changed since.
    """
    content = _content(path)
    if not _places(content):
        _probe(content)
    elif not _is_whole(content):
        raise TableError(
            "is damaged: it differs from what was written; copy it again, or delete it and run the same command again "
            f"(if another program changed it and kept its metadata, rewrite it without `{CHECKSUM}`)"
        )
    try:
        columns = len(pl.read_parquet_schema(io.BytesIO(content)))
        if columns > RESULT_COLUMNS.most:
            raise TableError(f"has {columns:,} columns; at most {RESULT_COLUMNS} are possible")
        return pl.read_parquet(io.BytesIO(content))
    except (pl.exceptions.PolarsError, OSError, ValueError, pl.exceptions.PanicException) as error:
        raise _unreadable(" ".join(str(error).split())[:200]) from error


def _places(content: bytes | bytearray) -> list[tuple[int, int]]:
    return [found.span(1) for found in _MARK.finditer(content)]


def _is_whole(content: bytes) -> bool:
    places = _places(content)
    digest, last = hashlib.sha256(), 0
    for start, end in places:
        digest.update(memoryview(content)[last:start])
        digest.update(_ZEROS)
        last = end
    digest.update(memoryview(content)[last:])
    return {content[start:end] for start, end in places} == {digest.hexdigest().encode()}


def _content(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise TableError("is a folder; name the parquet file itself")
        with open_regular(path) as file:
            if file.seek(0, os.SEEK_END) > RESULT_FILE.most:
                raise TableError(f"has more than {RESULT_FILE}")
            file.seek(0)
            content = file.read()
    except FileNotFoundError:
        raise TableError("no such file; `pid-estimate RUN... --out results.parquet` writes one") from None
    except (OSError, ValueError) as error:
        raise TableError(f"cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if not content.startswith(MAGIC):
        raise TableError("is not a parquet file; expected a table that `pid-estimate` wrote")
    if not content.endswith(MAGIC):
        raise TableError("is truncated: its parquet footer is missing; copy it again, or run `pid-estimate` again")
    return content


def _probe(content: bytes) -> None:
    """Let another process read a file without a valid checksum first: the process may crash."""
    limits = (PROBE_BYTES + 50 * len(content), min(RESULT_ROWS.most, ROWS_PER_BYTE * len(content)), RESULT_COLUMNS.most)
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", PROBE, *map(str, limits)],
            input=content,
            capture_output=True,
            check=False,
            timeout=PROBE_SECONDS,
            env={**os.environ, "POLARS_MAX_THREADS": "1"},
        )
    except subprocess.TimeoutExpired:
        raise _unreadable(f"that takes more than {PROBE_SECONDS} s") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").splitlines() or [""]
        raise _unreadable(lines[-1][:200] if done.returncode > 0 else "reading it crashes the process")


def _unreadable(reason: str) -> TableError:
    return TableError(f"cannot be read as parquet ({reason}); copy it again, or run `pid-estimate` again")
