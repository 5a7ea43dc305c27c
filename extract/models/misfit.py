"""Models that an untested adapter cannot run: errors in their code become one sentence, our bugs stay bugs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

from pid_lvlm.data.errors import PidError
from pid_lvlm.extract.errors import MisfitError, ModelError
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.library_errors import first_line
from pid_lvlm.extract.models.registry import refused

RAISED: Final = (AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""Errors that a model or processor raises when called in an unexpected way."""


@contextmanager
def model_code(adapter: Adapter) -> Iterator[None]:
    """Wraps a call of the model or its processor through an untested adapter.

    Wrap nothing else: an error in our own code must not be mistaken for one of the model's. Hooks that run inside the
    model are distinguished by `pid_lvlm.extract.conditions.hooks.HookError`.

    Raises:
        MisfitError: the model's code failed and the adapter is not leak-tested; otherwise errors pass unchanged.
    """
    try:
        yield
    except (MisfitError, torch.OutOfMemoryError):
        raise
    except RAISED as error:
        if adapter.leak_tested:
            raise
        message = f"stops with {type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise MisfitError(message) from error


@contextmanager
def first_pass(adapter: Adapter, model: str) -> Iterator[None]:
    """Wraps a tested adapter's first pass: an error inside the model then comes from its files.

    Raises:
        ModelError: the model's code failed; names `model`. Errors in our own code pass unchanged.
    """
    try:
        yield
    except (PidError, MisfitError, torch.OutOfMemoryError):
        raise
    except RAISED as error:
        if not adapter.leak_tested or _in_our_code(error):
            raise
        message = (
            f"`{model}` stops in its first pass ({first_line(error)}); its config.json does not fit its weights, "
            "its processor or what transformers has for this model type"
        )
        raise ModelError(message) from error


def _in_our_code(error: BaseException) -> bool:
    """Whether an error was raised in this package rather than in a library."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return frame is None or str(frame.tb_frame.f_globals.get("__name__", "")).startswith("pid_lvlm.")


@contextmanager
def refuse_misfits(adapter: Adapter, advice: str = "") -> Iterator[None]:
    """Turn a misfit of an untested adapter into a sentence for the user.

    Args:
        adapter: the adapter.
        advice: what may help, in parentheses at the end of the reason.

    Raises:
        ModelError: the model does not fit and needs its own adapter.
    """
    try:
        yield
    except MisfitError as error:
        if adapter.leak_tested:
            raise
        raise refused(adapter.model.config.model_type, f"{error}{advice}") from error
