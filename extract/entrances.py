"""Entrances: the places in a model where what goes in can be read and replaced while a forward pass runs.

Every family has one, the decoder's keyword arguments. A family in which a source is read before the decoder
(InstructBLIP's Q-Former reads the question) has another.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from extract.sites import DecoderInputs

Edit = Callable[[DecoderInputs], DecoderInputs]
"""Takes what arrives at an entrance by name, returns what shall go in instead."""


class Entrance(ABC):
    """A place where inputs arrive, by name; names of different entrances of a model differ."""

    @abstractmethod
    def attach(self, edit: Edit) -> RemovableHandle:
        """Let `edit` see and replace what arrives, until the handle is removed."""


class CallEntrance(Entrance):
    """The keyword arguments that a module is called with."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    def attach(self, edit: Edit) -> RemovableHandle:
        """Hook before the module's forward."""

        def hook(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], Any]:
            return args, edit(kwargs)

        return self._module.register_forward_pre_hook(hook, with_kwargs=True)


class OutputEntrance(Entrance):
    """The one tensor that a module returns, under the name `key`."""

    def __init__(self, module: nn.Module, key: str) -> None:
        self._module = module
        self._key = key

    def attach(self, edit: Edit) -> RemovableHandle:
        """Hook after the module's forward."""

        def hook(_module: nn.Module, _args: Any, output: Tensor) -> Tensor:
            replaced: Tensor = edit({self._key: output})[self._key]
            return replaced

        return self._module.register_forward_hook(hook)
