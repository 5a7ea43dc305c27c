"""LLaVA-1.5 (and Pixtral, which shares its class): CLIP, a projector, a Llama-like decoder."""

from collections.abc import Sequence
from typing import ClassVar, Final

from torch import Tensor, nn

from extract.adapters.base import Adapter, ModelInputs

PICTURE_KEYS: Final = ("pixel_values", "image_sizes")


class LlavaAdapter(Adapter):
    """`LlavaForConditionalGeneration`: the picture reaches the decoder through `inputs_embeds` alone."""

    family: ClassVar[str] = "llava"

    @property
    def layers(self) -> Sequence[nn.Module]:
        """Blocks of the language model."""
        blocks: Sequence[nn.Module] = self.model.get_decoder().layers
        return blocks

    def final_norm(self, states: Tensor) -> Tensor:
        """The language model's RMS norm."""
        normed: Tensor = self.model.get_decoder().norm(states)
        return normed

    def encode_pictures(self, inputs: ModelInputs) -> ModelInputs:
        """Vision tower and projector once; the forward merges their output as it would its own."""
        picture = {name: inputs[name] for name in PICTURE_KEYS if name in inputs}
        features = self.model.get_image_features(**picture, return_dict=True)
        rest = {name: value for name, value in inputs.items() if name not in PICTURE_KEYS}
        return {**rest, "mm_encoder_outputs": {"image": features}}
