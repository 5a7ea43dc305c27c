"""Sites: the places where a source enters the decoder, and so where noise must go to silence that source.

Most families have two, both in `inputs_embeds`: the visual span and the language span. A family in which a
modality travels by another road as well (deepstack features, per-layer inputs, cross-attention) adds sites.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from data.names import SOURCES

DecoderInputs = Mapping[str, Any]
"""Keyword arguments of the decoder's forward."""


@dataclass(frozen=True)
class SpanMasks:
    """Positions of the two spans in a batch: boolean (batch, tokens) each, never both true."""

    vision: Tensor
    language: Tensor

    def of(self, source: str) -> Tensor:
        """Mask of one source, `vision` or `language`."""
        return {SOURCES[0]: self.vision, SOURCES[1]: self.language}[source]


class Site(ABC):
    """One place where one source enters the decoder.

    Attributes:
        name: key of its statistics in `noise_stats.npz`.
        source: the source it carries, one of `data.names.SOURCES`.
        where: what is replaced, in words, for the manifest.
    """

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

    @abstractmethod
    def write(self, inputs: DecoderInputs, masks: SpanMasks, values: Tensor) -> dict[str, Any]:
        """Copy of the decoder's inputs with `values` (rows, width) at this site; `inputs` stays as it is."""


class EmbeddingSite(Site):
    """A span of the decoder's input embeddings; named after its source, which has one such site."""

    def __init__(self, source: str) -> None:
        super().__init__(source, source, f"{source} span of the decoder's input embeddings")

    def read(self, inputs: DecoderInputs, masks: SpanMasks) -> Tensor:
        """Embeddings of the span."""
        embeddings: Tensor = inputs["inputs_embeds"]
        return embeddings[self._positions(embeddings, masks)]

    def rows(self, masks: SpanMasks) -> list[int]:
        """Tokens of the span in each sample."""
        return [int(count) for count in masks.of(self.source).sum(dim=1)]

    def write(self, inputs: DecoderInputs, masks: SpanMasks, values: Tensor) -> dict[str, Any]:
        """Replace the span's embeddings in a copy: the tensor may be shared with other conditions."""
        embeddings = torch.clone(inputs["inputs_embeds"])
        embeddings[self._positions(embeddings, masks)] = values.to(embeddings.device, embeddings.dtype)
        return {**inputs, "inputs_embeds": embeddings}

    def _positions(self, embeddings: Tensor, masks: SpanMasks) -> Tensor:
        """The span's mask, as long as the embeddings: candidates of several tokens are appended to the prompt."""
        mask = masks.of(self.source).to(embeddings.device)
        return nn.functional.pad(mask, (0, embeddings.shape[1] - mask.shape[1]))
