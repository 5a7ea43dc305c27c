"""Panics in compiled libraries: a `PanicException`, which is not an `Exception`, and output on stderr."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


class PanicError(RuntimeError):
    """A library's compiled code failed on its input; the message is the library's."""


@contextmanager
def panics_as_errors() -> Iterator[None]:
    """Wraps a call of polars or tokenizers on outside data.

    Raises:
        PanicError: the compiled code panicked; all other errors pass unchanged.
    """
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise PanicError(str(error)) from None


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Discard the process's standard error at the file-descriptor level, where compiled code writes."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
