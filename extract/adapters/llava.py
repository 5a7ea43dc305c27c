"""LLaVA-1.5 (and Pixtral, which shares its class): CLIP, a projector, a Llama-like decoder."""

from typing import ClassVar

from extract.adapters.base import Adapter


class LlavaAdapter(Adapter):
    """`LlavaForConditionalGeneration`: the picture reaches the decoder through `inputs_embeds` alone."""

    family: ClassVar[str] = "llava"
