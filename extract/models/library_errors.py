"""What libraries raise for files that are not as they wrote them, as the end of a sentence."""

import pickle
from typing import Final

LONGEST: Final = 300
"""Characters of a library's message that are repeated."""


def first_line(error: BaseException) -> str:
    """First line of an error's text that is not empty, shortened; the error's name if it has none."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    if isinstance(error, KeyError | AttributeError | IndexError | AssertionError | ZeroDivisionError) or not line:
        line = f"{type(error).__name__}: {line}" if line else type(error).__name__
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def known_reason(error: Exception) -> str | None:
    """A better sentence for what is known; None for the rest."""
    text = str(error)
    if isinstance(error, pickle.UnpicklingError) or "Weights only load failed" in text:
        return (
            "a weights file is a pickle that holds more than tensors, which could run code and is never opened; "
            "convert it to safetensors"
        )
    if "trust_remote_code" in text or "contains custom code" in text:
        return (
            "it needs code of its own (`auto_map`), which is never run; take a version that transformers itself reads"
        )
    if isinstance(error, RecursionError):
        return "its files are nested too deeply"
    if isinstance(error, MemoryError) or "can't allocate memory" in text:
        return "it asks for more memory than there is"
    return None
