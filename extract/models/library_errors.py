"""Turns library errors about damaged files into the end of a sentence."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pid_lvlm.data.errors import printable
from pid_lvlm.data.inputs.panics import PanicError, panics_as_errors

LONGEST: Final = 300
"""Maximum characters of a library's message to quote."""


def first_line(error: BaseException) -> str:
    """First nonempty line of an error's text, shortened; the error's class name if there is none.

    A line that ends in a colon is joined with the next.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    line = " ".join(lines[:2]) if lines and lines[0].endswith(":") else "".join(lines[:1])
    if isinstance(error, KeyError | AttributeError | IndexError | AssertionError | ZeroDivisionError) or not line:
        line = f"{type(error).__name__}: {line}" if line else type(error).__name__
    line = printable(line)
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


class ProcessorError(ValueError):
    """A processor or tokenizer failed on its input."""


@contextmanager
def processor_code(*, trusted: bool) -> Iterator[None]:
    """Wraps a call of a checkpoint's processor or tokenizer, and nothing else.

    Args:
        trusted: whether tests cover how the processor is called, so that an error must come from its input.

    Raises:
        ProcessorError: it failed; if not `trusted`, errors pass unchanged.
    """
    try:
        with panics_as_errors():
            yield
    except Exception as error:
        if not trusted:
            raise
        raise ProcessorError(known_reason(error) or first_line(error)) from error


def known_reason(error: Exception) -> str | None:
    """A better sentence for known errors; None for the rest."""
    text = str(error)
    if isinstance(error, pickle.UnpicklingError) or "Weights only load failed" in text:
        return (
            "a weights file is a pickle that holds more than tensors, which could run code and is never opened; "
            "convert it to safetensors"
        )
    if "trust_remote_code" in text or "contains custom code" in text:
        return "it needs custom code (`auto_map`), which is never run; use a version that transformers itself supports"
    if "ignore_mismatched_sizes" in text:
        return "its parameters have other shapes than config.json describes; the two do not belong together"
    if isinstance(error, PanicError):
        return f"compiled code fails on its files ({first_line(error)}); download the checkpoint again"
    if isinstance(error, RecursionError):
        return "its files are nested too deeply"
    if isinstance(error, MemoryError) or "can't allocate memory" in text:
        return "it needs more memory than is available"
    return None
