"""Compiled libraries whose own code fails: a `PanicException`, which is not an `Exception`, and words on stderr."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


class PanicError(RuntimeError):
    """A library's compiled code failed over what it was given; the message is the library's."""


@contextmanager
def panics_as_errors() -> Iterator[None]:
    """Surrounds a call of polars or tokenizers on what comes from outside.

    Raises:
        PanicError: the compiled code failed; every other error passes unchanged.
    """
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise PanicError(str(error)) from None


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Standard error of the process goes nowhere: below Python's own, where compiled code writes to."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
