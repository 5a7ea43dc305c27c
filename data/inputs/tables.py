"""Reads outside CSV and parquet as polars frames: from bytes, never from a path that polars may expand or fetch."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from pid_lvlm.data.bounds import ROWS, UNPACKED, VALUES, Bound
from pid_lvlm.data.command.shown import cut
from pid_lvlm.data.errors import PidError
from pid_lvlm.data.inputs.panics import PanicError, panics_as_errors, silent_stderr
from pid_lvlm.data.inputs.paths import open_regular

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

T = TypeVar("T")

PARQUET_MARK: Final = b"PAR1"
UNPACKED_FROM: Final = 256 * 2**20
BATCH_ROWS: Final = 256
AGAIN: Final = "; download it again"


class TableError(PidError):
    """A file is not a valid table; the message is a clause such as `it is cut short, after 200 bytes`."""


def read_csv(content: bytes, separator: str = ",") -> "pl.DataFrame":
    """A table of texts without type inference: `None`, `NA` and `nan` are words.

    Returns:
        The frame; without columns for a file without text.

    Raises:
        TableError: the rows do not fit together.
    """
    import polars as pl

    if not content.strip():
        return pl.DataFrame()
    return guarded(lambda: pl.read_csv(io.BytesIO(content), separator=separator, infer_schema=False, glob=False))


def read_parquet(source: Path | bytes, bound: Bound = ROWS) -> "pl.DataFrame":
    """Read a parquet file, or its bytes, after checking that its number of rows is within `bound`.

    Uses pyarrow: polars 2.1 aborts the whole process on some damaged pages.

    Returns:
        The frame; without columns for an empty file.

    Raises:
        OSError: it cannot be opened, or is not a regular file.
        TableError: it is not a parquet file, or is damaged or too large.
    """
    import polars as pl
    import pyarrow as pa

    if isinstance(source, Path):
        with open_regular(source) as file:
            content = file.read()
    else:
        content = source
    if not content:
        return pl.DataFrame()
    if not content.startswith(PARQUET_MARK):
        raise TableError(f"it is not a parquet file, whatever its name says{AGAIN}")
    if not content.endswith(PARQUET_MARK):
        raise TableError(f"it is cut short, after {len(content)} bytes{AGAIN}")
    frame = guarded(lambda: pl.from_arrow(_decoded(content, bound)), AGAIN, pa.ArrowException)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _decoded(content: bytes, bound: Bound) -> "pa.Table":
    """Read in batches, so that a small file that claims many rows or repeats one long text takes no memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(pa.BufferReader(content)) as file:
        rows, columns = file.metadata.num_rows, len(file.schema_arrow)
        if rows > bound.most:
            raise TableError(f"it says that it has {rows:,} rows; at most {bound} are read")
        if rows * columns > VALUES.most:
            raise TableError(f"it says that it has {rows:,} rows of {columns:,} columns; at most {VALUES} are read")
        batches, unpacked = [], 0
        for batch in file.iter_batches(BATCH_ROWS, use_threads=False):
            batch.validate(full=True)
            batches.append(batch)
            unpacked += batch.nbytes
            if unpacked > max(UNPACKED_FROM, UNPACKED.most * len(content)):
                raise TableError(
                    f"it has more than {unpacked:,} bytes of values in {len(content):,} bytes; "
                    f"at most {UNPACKED} are read"
                )
        return pa.Table.from_batches(batches, file.schema_arrow)


def guarded(call: Callable[[], T], advice: str = "", *refusals: type[Exception]) -> T:
    """Call polars on outside data; `advice` ends the message if there is an error.

    Args:
        call: reads the data.
        advice: a clause.
        refusals: errors of another library used along with polars.

    Raises:
        TableError: the data were rejected, or polars panicked on them.
    """
    import polars as pl

    refused: tuple[type[Exception], ...] = (
        pl.exceptions.PolarsError,
        OSError,
        ValueError,
        TypeError,
        OverflowError,
        *refusals,
    )
    try:
        with silent_stderr(), panics_as_errors():
            return call()
    except MemoryError:
        raise TableError("it does not fit into memory") from None
    except pl.exceptions.NoDataError:
        raise TableError("it has no data") from None
    except refused as error:
        raise TableError(_first_line(error) + advice) from None
    except PanicError as error:
        raise TableError(f"polars cannot read it ({_first_line(error)}){advice}") from None


def _first_line(error: BaseException) -> str:
    return cut(str(error).partition("\n")[0])
