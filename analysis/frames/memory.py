"""What is computed from one frame again and again, remembered for as long as a report is put together."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Concatenate, ParamSpec, TypeVar

import polars as pl

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

_memory: ContextVar[dict[Any, tuple[pl.DataFrame, Any]] | None] = ContextVar("memory", default=None)


@contextmanager
def remembering() -> Iterator[None]:
    """Inside the block, `remembered` functions compute their result for the same frame and arguments once."""
    token = _memory.set({})
    try:
        yield
    finally:
        _memory.reset(token)


def remembered(
    function: Callable[Concatenate[pl.DataFrame, _Arguments], _Result],
) -> Callable[Concatenate[pl.DataFrame, _Arguments], _Result]:
    """A function of a frame and of arguments that `repr` tells apart, whose result nobody changes."""

    @functools.wraps(function)
    def wrapper(frame: pl.DataFrame, /, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        memory = _memory.get()
        if memory is None:
            return function(frame, *args, **kwargs)
        key = (function, id(frame), repr((args, kwargs)))
        if key not in memory:
            memory[key] = (frame, function(frame, *args, **kwargs))  # the frame is kept, so that its id stays its own
        found: _Result = memory[key][1]
        return found

    return wrapper
