"""Caches results computed repeatedly from one frame while a report is being made."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import polars as pl

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

_MOST: Final = 20_000  # rows

_memory: ContextVar[dict[Any, tuple[pl.DataFrame, Any]] | None] = ContextVar("memory", default=None)


@contextmanager
def remembering() -> Iterator[None]:
    """Inside the block, `remembered` functions compute their result once per frame and arguments."""
    token = _memory.set({})
    try:
        yield
    finally:
        _memory.reset(token)


def remembered(
    function: Callable[Concatenate[pl.DataFrame, _Arguments], _Result],
) -> Callable[Concatenate[pl.DataFrame, _Arguments], _Result]:
    """A function of a frame and of arguments that `repr` tells apart, whose result is never modified.

    Results with very many rows are not kept: a dozen of them would cost more memory than they save time.
    """
    return _remembered(function, whole=False)


def always_remembered(
    function: Callable[Concatenate[pl.DataFrame, _Arguments], _Result],
) -> Callable[Concatenate[pl.DataFrame, _Arguments], _Result]:
    """The same for a result that is the frame itself with a few columns changed, with any number of rows."""
    return _remembered(function, whole=True)


def _rows(result: object) -> int:
    frame = getattr(result, "frame", result)
    return frame.height if isinstance(frame, pl.DataFrame) else 0


def _remembered(
    function: Callable[Concatenate[pl.DataFrame, _Arguments], _Result], *, whole: bool
) -> Callable[Concatenate[pl.DataFrame, _Arguments], _Result]:
    @functools.wraps(function)
    def wrapper(frame: pl.DataFrame, /, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        memory = _memory.get()
        if memory is None:
            return function(frame, *args, **kwargs)
        key = (function, id(frame), repr((args, kwargs)))
        if key in memory:
            found: _Result = memory[key][1]
            return found
        result = function(frame, *args, **kwargs)
        # The frame is kept too, so its id is not reused; a large one only if it is kept anyway.
        if whole:
            memory[key] = memory[id(frame)] = memory[id(result)] = (frame, result)
        elif _rows(result) <= _MOST and (frame.height <= _MOST or id(frame) in memory):
            memory[key] = (frame, result)
        return result

    return wrapper
