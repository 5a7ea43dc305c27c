"""Models that an untested adapter cannot run: what their own code raises becomes one sentence, our bugs stay bugs."""

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
"""What a model or a processor raises when it is called in a way that it was not written for."""


@contextmanager
def model_code(adapter: Adapter) -> Iterator[None]:
    """Surrounds a call of the model or its processor through an untested adapter.

    Surround nothing else: an error in our own code must not be taken for one of the model's. Hooks that run inside the
    model are told apart by `pid_lvlm.extract.conditions.hooks.HookError`.

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
    """Surrounds a tested adapter's first pass: what fails inside the model then comes from its files.

    Raises:
        ModelError: the model's code failed, and `model` is named. Errors in our own code pass unchanged.
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
    """Whether an error was raised by a line of this package, rather than by a library's."""
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
        ModelError: the model does not fit and needs an adapter of its own.
    """
    try:
        yield
    except MisfitError as error:
        if adapter.leak_tested:
            raise
        raise refused(adapter.model.config.model_type, f"{error}{advice}") from error
