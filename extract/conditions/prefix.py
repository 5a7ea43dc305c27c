"""Keys and values of a prompt's beginning, computed once for the passes that begin alike.

In a causal decoder the states at a position depend on earlier positions alone. `both` and `vision_only` have the same
inputs until the question begins, so the second pass goes on from the keys and values of the first; candidates of
several tokens go on from those of the whole prompt. In float32 both ways agree to rounding.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from torch import Tensor, nn
from transformers import DynamicCache

from pid_lvlm.extract.conditions.hooks import CallHook
from pid_lvlm.extract.conditions.sites import DecoderInputs, SpanMasks

TOKEN_AXES: Final = {"inputs_embeds": 1, "position_ids": -1, "cache_position": 0}
"""Arguments of a decoder with an entry per position, and the axis of the positions."""

MASK: Final = "attention_mask"
"""The one argument that is as long as the keys, not the queries."""


class SharedPrefix:
    """Keys and values of the decoder's first positions, kept from one pass over a batch to the next."""

    def __init__(self) -> None:
        self._cache = DynamicCache()

    @contextmanager
    def continued(self, decoder: nn.Module, length: int) -> Iterator[None]:
        """While active, a pass computes only what follows its first `length` positions, which were computed before.

        Args:
            decoder: whose inputs arrive by name; what edits them must be attached before.
            length: positions of the whole batch, padding included, whose inputs are those of the pass before.
        """
        for layer in self._cache.layers:
            layer.crop(length - layer.get_seq_length())
        handle = CallHook(decoder).attach(partial(self._shortened, length))
        try:
            yield
        finally:
            handle.remove()

    def _shortened(self, length: int, inputs: DecoderInputs) -> DecoderInputs:
        changed: dict[str, Any] = {"past_key_values": self._cache, "use_cache": True}
        for name, value in inputs.items():
            if isinstance(value, Tensor) and name in TOKEN_AXES:
                axis = TOKEN_AXES[name]
                changed[name] = value.narrow(axis, length, value.shape[axis] - length)
            elif isinstance(value, Tensor) and (name != MASK or value.dim() != 2):
                message = (
                    f"`{name}` of shape {tuple(value.shape)} cannot be continued; the adapter must not share prefixes"
                )
                raise TypeError(message)
        return {**inputs, **changed}


@dataclass(frozen=True)
class Begun:
    """How much of a pass was computed before: its first `length` positions."""

    prefix: SharedPrefix
    length: int = 0

    def continued(self, decoder: nn.Module) -> AbstractContextManager[None]:
        """`SharedPrefix.continued` from there."""
        return self.prefix.continued(decoder, self.length)

    def up_to(self, length: int) -> "Begun":
        """The same passes once the first `length` positions are computed."""
        return replace(self, length=length)


def common_length(masks: SpanMasks) -> int:
    """Positions of a batch before any of its rows reaches the user's text: there `both` and `vision_only` agree."""
    return int(masks.language.int().argmax(dim=1).min())
