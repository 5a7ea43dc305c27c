"""Keys and values of a prompt prefix, computed once for all passes that share it.

In a causal decoder the states at a position depend only on earlier positions. `both` and `vision_only` have the same
inputs until the question begins, so the second pass continues from the keys and values of the first; candidates of
several tokens continue from those of the whole prompt. Rows about one picture continue from what was computed for one
of them. In float32 both ways agree up to rounding.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from pid_lvlm.extract.conditions.hooks import CallHook
from pid_lvlm.extract.conditions.sites import DecoderInputs, SpanMasks

TOKEN_AXES: Final = {"inputs_embeds": 1, "position_ids": -1, "cache_position": 0}
"""Decoder arguments with an entry per position, and their position axis."""

POSITIONS: Final = "position_ids"

MASK: Final = "attention_mask"
"""The only argument that is as long as the keys, not the queries."""


class SharedPrefix:
    """Keys and values of the decoder's first positions, kept from one pass over a batch to the next.

    Args:
        by_position: whether positions are counted from each row's first token, which rows with different padding need
            in order to share keys; by default the decoder counts.
    """

    def __init__(self, *, by_position: bool = False) -> None:
        self._cache = DynamicCache()
        self._by_position = by_position

    @contextmanager
    def continued(self, decoder: nn.Module, length: int, *, gaps: bool = False) -> Iterator[None]:
        """While active, a pass computes only the positions after the first `length`, which were computed before.

        Args:
            decoder: the decoder; hooks that edit its inputs must be attached before.
            length: positions of the whole batch, padding included, with the same inputs as in the previous pass.
            gaps: whether rows have padding in the middle, which must not count as positions.
        """
        for layer in self._cache.layers:
            layer.crop(length - layer.get_seq_length())
        handle = CallHook(decoder).attach(partial(self._shortened, length, gaps))
        try:
            yield
        finally:
            handle.remove()

    def compute(self, decoder: nn.Module, inputs: DecoderInputs, length: int) -> None:
        """Run the decoder over the first `length` positions of `inputs`, and keep their keys and values."""
        begun = self._part(inputs, 0, length)
        decoder(**{**begun, MASK: inputs[MASK][:, :length]})

    def rows(self, of: Tensor, shift: Tensor, length: int) -> "SharedPrefix":
        """The first `length` positions of rows that begin like these but are padded differently.

        Args:
            of: (rows,) index of the existing row that each new row begins like.
            shift: (rows,) how much further left its first token is. Keys left of that are never attended to.
            length: number of positions of the rows.
        """
        index = torch.arange(length, device=of.device) + shift[:, None]
        chosen = index.clamp(min=0)[:, None, :, None]
        repeated = SharedPrefix(by_position=self._by_position)
        for number, layer in enumerate(self._cache.layers):
            place = chosen.to(layer.keys.device)
            keys, values = (
                torch.take_along_dim(kept[of.to(kept.device)], place, dim=2) for kept in (layer.keys, layer.values)
            )
            repeated._cache.update(keys, values, number)
        return repeated

    def _shortened(self, length: int, gaps: bool, inputs: DecoderInputs) -> DecoderInputs:
        return self._part(inputs, length, None, gaps)

    def _part(self, inputs: DecoderInputs, start: int, end: int | None, gaps: bool = False) -> DecoderInputs:
        """Inputs of the positions from `start` to `end`; only the mask keeps its length."""
        changed: dict[str, Any] = {"past_key_values": self._cache, "use_cache": True}
        if self._by_position or gaps:
            inputs = {**inputs, POSITIONS: _positions(inputs, from_first=self._by_position)}
        for name, value in inputs.items():
            if isinstance(value, Tensor) and name in TOKEN_AXES:
                axis = TOKEN_AXES[name]
                changed[name] = value.narrow(axis, start, (value.shape[axis] if end is None else end) - start)
            elif isinstance(value, Tensor) and (name != MASK or value.dim() != 2):
                message = (
                    f"`{name}` of shape {tuple(value.shape)} cannot be continued; the adapter must not share prefixes"
                )
                raise TypeError(message)
        return {**inputs, **changed}


def _positions(inputs: DecoderInputs, *, from_first: bool) -> Tensor:
    """Positions of the tokens, not counting padding in the middle; multidimensional positions already skip it.

    Args:
        inputs: of the decoder.
        from_first: count from each row's first token; otherwise padding before it counts, as in the decoder.
    """
    given = inputs.get(POSITIONS)
    if isinstance(given, Tensor) and given.dim() == 3:
        return given
    mask = inputs[MASK].long()
    counted: Tensor = mask.cumsum(dim=-1) - 1
    if not from_first:
        counted = counted + mask.argmax(dim=-1, keepdim=True)
    return counted.clamp(min=0)


@dataclass(frozen=True)
class Begun:
    """How much of a pass was computed before: its first `length` positions; and whether rows have gaps after them."""

    prefix: SharedPrefix
    length: int = 0
    gaps: bool = False

    def continued(self, decoder: nn.Module) -> AbstractContextManager[None]:
        """`SharedPrefix.continued` from this point."""
        return self.prefix.continued(decoder, self.length, gaps=self.gaps)

    def up_to(self, length: int, *, gaps: bool | None = None) -> "Begun":
        """The same, once the first `length` positions are computed."""
        return replace(self, length=length, gaps=self.gaps if gaps is None else gaps)


def common_length(masks: SpanMasks) -> int:
    """Number of positions of a batch before any row reaches the user's text: there `both` and `vision_only` agree."""
    return int(masks.language.int().argmax(dim=1).min())
