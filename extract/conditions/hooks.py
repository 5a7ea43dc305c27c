"""The only place that changes what a model computes: hooks that read or replace inputs during a forward pass.

Every family has one hook point: the decoder's keyword arguments. A family that reads a source before the decoder
(InstructBLIP's Q-Former reads the question) has another one.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from pid_lvlm.extract.conditions.replacement import Replacement
from pid_lvlm.extract.conditions.sites import DecoderInputs
from pid_lvlm.extract.errors import MisfitError

Edit = Callable[[DecoderInputs], DecoderInputs]
"""Takes the inputs at a hook point, by name, and returns the inputs to use instead."""


class HookError(Exception):
    """A bug in one of our hooks, not in the model code that called it."""


@contextmanager
def our_code() -> Iterator[None]:
    """Wraps a hook, so that its errors are not mistaken for errors of the model that runs it.

    Raises:
        HookError: from any exception, except one that says that the model does not fit its adapter.
    """
    try:
        yield
    except (MisfitError, _Stopped, torch.OutOfMemoryError):
        raise
    except Exception as error:
        message = f"a hook failed inside the model: {type(error).__name__}: {error}"
        raise HookError(message) from error


class HookPoint(ABC):
    """A place where named inputs arrive; input names are unique across a model's hook points."""

    @abstractmethod
    def attach(self, edit: Edit) -> RemovableHandle:
        """Let `edit` see and replace the inputs until the handle is removed."""


class CallHook(HookPoint):
    """The keyword arguments of a module's forward."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    def attach(self, edit: Edit) -> RemovableHandle:
        """Hook before the module's forward."""

        def hook(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], Any]:
            with our_code():
                return args, edit(kwargs)

        return self._module.register_forward_pre_hook(hook, with_kwargs=True)


class OutputHook(HookPoint):
    """The single tensor that a module returns, under the name `key`."""

    def __init__(self, module: nn.Module, key: str) -> None:
        self._module = module
        self._key = key

    def attach(self, edit: Edit) -> RemovableHandle:
        """Hook after the module's forward."""

        def hook(_module: nn.Module, _args: Any, output: Tensor) -> Tensor:
            with our_code():
                replaced: Tensor = edit({self._key: output})[self._key]
                return replaced

        return self._module.register_forward_hook(hook)


class _Stopped(Exception):
    """Ends a forward pass before the decoder's layers; never escapes this module."""


@contextmanager
def edited_inputs(decoder: nn.Module, edit: Edit, hook_points: Sequence[HookPoint] = ()) -> Iterator[None]:
    """While active, `edit` sees and may replace the inputs of the decoder and those at the other `hook_points`.

    Raises:
        MisfitError: on exit, if part of a `Replacement` was never written.
    """
    with ExitStack() as stack:
        for hook_point in (*hook_points, CallHook(decoder)):
            stack.callback(hook_point.attach(edit).remove)
        yield
        if isinstance(edit, Replacement):
            edit.check()


def decoder_inputs(
    decoder: nn.Module, forward: Callable[[], object], hook_points: Sequence[HookPoint] = ()
) -> DecoderInputs:
    """What `forward` would pass to the decoder and other `hook_points`, without running the decoder.

    Raises:
        MisfitError: `forward` does not call the decoder.
    """
    seen: dict[str, Any] = {}

    def look(inputs: DecoderInputs) -> DecoderInputs:
        seen.update(inputs)
        return inputs

    def stop(inputs: DecoderInputs) -> DecoderInputs:
        seen.update(inputs)
        raise _Stopped

    with ExitStack() as stack:
        for hook_point in hook_points:
            stack.callback(hook_point.attach(look).remove)
        stack.callback(CallHook(decoder).attach(stop).remove)
        try:
            forward()
        except _Stopped:
            return seen
    message = "the model's forward never reached its decoder; the adapter's `decoder` is wrong"
    raise MisfitError(message)
