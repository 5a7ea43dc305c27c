"""Sites of families in which a source reaches the decoder by another road than its input embeddings."""

from typing import Any, Final

from torch import Tensor

from data.names import SOURCES
from extract.sites import DecoderInputs, PositionSite, Site, SpanMasks

VISION, LANGUAGE = SOURCES

QUESTION: Final = "question"
"""Mask of the text that is read before the decoder, and name of its site."""


class CrossAttentionSite(Site):
    """States that the decoder attends to beside its tokens: all of the picture, in tiles of a fixed number.

    A picture seldom fills every tile. Only tiles with a picture in them are read; all are replaced, since positions
    in front of the picture attend to every slot: their mask holds no open slot, and transformers then opens all.
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
        """States of tiles with a picture in them, per sample."""
        return [int(count) for count in masks.vision.sum(dim=1)]

    def replaced(self, masks: SpanMasks) -> list[int]:
        """All states of a sample."""
        samples, slots = masks.vision.shape
        return [slots] * samples

    def write(self, inputs: DecoderInputs, masks: SpanMasks, values: Tensor) -> dict[str, Any]:
        """Replace all states."""
        del masks
        states: Tensor = inputs[self.argument]
        return {**inputs, self.argument: values.to(states.device, states.dtype).reshape(states.shape)}


class QuestionSite(PositionSite):
    """Word embeddings of the text as a module before the decoder reads it (InstructBLIP's Q-Former).

    Args:
        where: what is replaced, in words.
    """

    argument: str = "question_embeds"
    follows_span: bool = False

    def __init__(self, where: str) -> None:
        super().__init__(QUESTION, LANGUAGE, where, self.argument, QUESTION)
