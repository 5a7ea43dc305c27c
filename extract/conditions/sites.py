"""Sites: the places where a source enters the decoder, and where noise must replace it to ablate that source.

Most families have two, both in `inputs_embeds`: the visual span and the language span. Families in which a modality
also enters in other ways (deepstack features, per-layer inputs, cross-attention) add sites.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor, nn

from pid_lvlm.data.names import SOURCES
from pid_lvlm.extract.conditions.transfer import moved
from pid_lvlm.extract.errors import MisfitError

DecoderInputs = Mapping[str, Any]
"""Keyword arguments of the decoder's forward, and the inputs at other hook points, by name."""


@dataclass(frozen=True)
class SpanMasks:
    """Positions of the spans in a batch, each boolean (batch, positions).

    Attributes:
        vision: what the picture fills: tokens of the decoder, or the states that cross-attention reads.
        language: tokens of the user's text; never overlaps `vision` if both are tokens.
        others: masks of a family's special sites, by name.
    """

    vision: Tensor
    language: Tensor
    others: Mapping[str, Tensor] = field(default_factory=dict)

    def of(self, name: str) -> Tensor:
        """Mask of a source, `vision` or `language`, or another by its name."""
        return {SOURCES[0]: self.vision, SOURCES[1]: self.language, **self.others}[name]


def _counts(mask: Tensor) -> list[int]:
    """Number of open positions of each sample, read in one transfer: each transfer waits for the device."""
    counts: list[int] = mask.sum(dim=1).tolist()
    return counts


class Site(ABC):
    """One place where one source enters the decoder.

    Attributes:
        argument: name of the input that contains it.
        follows_span: whether a setting that narrows the language span narrows it too.
        name: key of its statistics in `noise_stats.npz`.
        source: the source it carries, one of `pid_lvlm.data.names.SOURCES`.
        where: description of what is replaced, for the manifest.
    """

    argument: str = "inputs_embeds"
    follows_span: bool = True

    def __init__(self, name: str, source: str, where: str) -> None:
        self.name = name
        self.source = source
        self.where = where

    @abstractmethod
    def read(self, inputs: DecoderInputs, masks: SpanMasks) -> Tensor:
        """Vectors at this site, (rows, width), all rows of the first sample first."""

    @abstractmethod
    def rows(self, masks: SpanMasks) -> list[int]:
        """Vectors per sample at this site; their sum is the number of rows of `read`."""

    def replaced(self, masks: SpanMasks) -> list[int]:
        """Vectors per sample that `write` replaces: those that `read` returns, unless a family also has unused ones."""
        return self.rows(masks)

    def held(self, inputs: DecoderInputs, masks: SpanMasks) -> Tensor:
        """Vectors that `write` would replace, (rows of `replaced`, width)."""
        return self.read(inputs, masks)

    @abstractmethod
    def write(self, inputs: DecoderInputs, masks: SpanMasks, values: Tensor) -> dict[str, Any]:
        """Copy of the decoder's inputs with `values` (rows, width) at this site; `inputs` stays as it is."""


class PositionSite(Site):
    """The positions of one span in a decoder argument with a vector per token.

    Args:
        name: key of its statistics.
        source: the source of the span.
        where: description of what is replaced.
        argument: name of the decoder's argument, (batch, tokens, …); the axes after tokens form one vector.
        mask: name of the span's mask, if it is not the source's.
    """

    def __init__(self, name: str, source: str, where: str, argument: str, mask: str | None = None) -> None:
        super().__init__(name, source, where)
        self.argument = argument
        self.mask = mask or source

    def read(self, inputs: DecoderInputs, masks: SpanMasks) -> Tensor:
        """Vectors at the span's positions."""
        values: Tensor = inputs[self.argument]
        return values[self._positions(values, masks)].flatten(1)

    def rows(self, masks: SpanMasks) -> list[int]:
        """Number of span tokens in each sample."""
        return _counts(masks.of(self.mask))

    def write(self, inputs: DecoderInputs, masks: SpanMasks, values: Tensor) -> dict[str, Any]:
        """Replace the span's vectors in a copy, since the tensor may be shared with other conditions."""
        changed = torch.clone(inputs[self.argument])
        new = moved(values, changed.device, changed.dtype).unflatten(1, changed.shape[2:])
        changed[self._positions(changed, masks)] = new
        return {**inputs, self.argument: changed}

    def _positions(self, tensor: Tensor, masks: SpanMasks) -> Tensor:
        """The span's mask, extended to the tensor's length: candidates of several tokens are appended to the prompt.

        Raises:
            MisfitError: the tensor does not have a vector for every position of the mask.
        """
        mask = masks.of(self.mask).to(tensor.device)
        if tensor.shape[0] != mask.shape[0] or tensor.shape[1] < mask.shape[1]:
            message = (
                f"`{self.argument}` has the shape {tuple(tensor.shape)}, but the batch has {tuple(mask.shape)} tokens"
            )
            raise MisfitError(message)
        return nn.functional.pad(mask, (0, tensor.shape[1] - mask.shape[1]))


class EmbeddingSite(PositionSite):
    """A span of the decoder's input embeddings, named after its source, which has one such site.

    Args:
        source: the source.
        where: description of what is replaced, if it is more than the span.
    """

    def __init__(self, source: str, where: str = "") -> None:
        super().__init__(source, source, where or f"{source} span of the decoder's input embeddings", self.argument)


class VisualRowsSite(Site):
    """A decoder argument with one row per position of the visual span, all rows of the first sample first.

    Args:
        name: key of its statistics.
        where: description of what is replaced.
        argument: name of the decoder's argument, a list or mapping of (rows, width) tensors.
        key: index or key of the tensor in it.
    """

    def __init__(self, name: str, where: str, argument: str, key: int) -> None:
        super().__init__(name, SOURCES[0], where)
        self.argument = argument
        self.key = key

    def read(self, inputs: DecoderInputs, masks: SpanMasks) -> Tensor:
        """The rows as they are."""
        rows: Tensor = inputs[self.argument][self.key]
        return rows

    def rows(self, masks: SpanMasks) -> list[int]:
        """Number of visual tokens of each sample."""
        return _counts(masks.vision)

    def write(self, inputs: DecoderInputs, masks: SpanMasks, values: Tensor) -> dict[str, Any]:
        """Replace the rows by `values` in a copy of the list or mapping."""
        changed = copy(inputs[self.argument])
        old = changed[self.key]
        changed[self.key] = moved(values, old.device, old.dtype)
        return {**inputs, self.argument: changed}


VISION, LANGUAGE = SOURCES

QUESTION: Final = "question"
"""Mask of the text that is read before the decoder, and the name of its site."""


class CrossAttentionSite(Site):
    """States that the decoder attends to in addition to its tokens: the picture as a fixed number of tiles.

    A picture rarely fills every tile. Only tiles with a picture in them are read, but all are replaced: positions
    before the picture have no open slot in their mask, and transformers then lets them attend to every slot.
    """

    argument: str = "cross_attention_states"

    def __init__(self) -> None:
        super().__init__(VISION, VISION, "states of the picture's tiles that the decoder's cross-attention reads")

    def read(self, inputs: DecoderInputs, masks: SpanMasks) -> Tensor:
        """States of tiles with a picture in them."""
        mask = masks.vision
        states: Tensor = inputs[self.argument]
        return states.reshape(*mask.shape, states.shape[-1])[mask.to(states.device)]

    def rows(self, masks: SpanMasks) -> list[int]:
        """Number of states of tiles with a picture in them, per sample."""
        return _counts(masks.vision)

    def replaced(self, masks: SpanMasks) -> list[int]:
        """Number of all states of each sample."""
        samples, slots = masks.vision.shape
        return [slots] * samples

    def held(self, inputs: DecoderInputs, masks: SpanMasks) -> Tensor:
        """All states."""
        states: Tensor = inputs[self.argument]
        return states.reshape(masks.vision.numel(), states.shape[-1])

    def write(self, inputs: DecoderInputs, masks: SpanMasks, values: Tensor) -> dict[str, Any]:
        """Replace all states."""
        del masks
        states: Tensor = inputs[self.argument]
        return {**inputs, self.argument: moved(values, states.device, states.dtype).reshape(states.shape)}


class QuestionSite(PositionSite):
    """Word embeddings of the text as read by a module before the decoder (InstructBLIP's Q-Former).

    Args:
        where: description of what is replaced.
    """

    argument: str = "question_embeds"
    follows_span: bool = False

    def __init__(self, where: str) -> None:
        super().__init__(QUESTION, LANGUAGE, where, self.argument, QUESTION)
