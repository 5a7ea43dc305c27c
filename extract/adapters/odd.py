"""Families whose pictures reach the decoder in a form of their own: Granite 4 Vision, Molmo2, Phi-4-multimodal."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from data.names import SOURCES
from extract.adapters.base import PIXELS, Adapter, ModelInputs
from extract.sites import EmbeddingSite, VisualRowsSite


class Granite4VisionAdapter(Adapter):
    """`Granite4VisionForConditionalGeneration`: the visual positions hold zeros, and features are added before blocks.

    Features are pooled from those of the first block that gets any.
    """

    family: ClassVar[str] = "granite4_vision"
    needed: ClassVar[tuple[str, ...]] = (PIXELS, "image_sizes")

    def __init__(self, model: Any, processor: Any) -> None:
        super().__init__(model, processor)
        config = model.config
        blocks = {block for _, block in config.deepstack_layer_map} | set(config.spatial_target_layers)
        self.sites = (*(_added_before(block) for block in sorted(blocks)), EmbeddingSite(SOURCES[1]))

    def cap(self, logits: Tensor) -> Tensor:
        """Logits are divided by a constant."""
        return logits / self.model.config.text_config.logits_scaling


def _added_before(block: int) -> VisualRowsSite:
    where = f"visual features added before decoder block {block + 1}"
    return VisualRowsSite(f"features{block + 1}", where, "deepstack_features", block)


class Molmo2Adapter(Adapter):
    """`Molmo2ForConditionalGeneration`: features are added to the placeholder's embedding; tokens see each other."""

    family: ClassVar[str] = "molmo2"
    needed: ClassVar[tuple[str, ...]] = (PIXELS, "image_token_pooling", "image_grids", "mm_token_type_ids")


class Phi4MultimodalAdapter(Adapter):
    """`Phi4MultimodalForCausalLM`: the decoder itself merges pictures, so it is given what it would have merged."""

    family: ClassVar[str] = "phi4_multimodal"
    needed: ClassVar[tuple[str, ...]] = ("image_pixel_values", "image_sizes", "image_attention_mask")
    auto_class: ClassVar[str] = "AutoModelForCausalLM"

    def render(self, text: str, *, picture: bool) -> str:
        """The template is the tokenizer's; it takes plain text with the placeholder in it."""
        content = f"{self.placeholder if picture else ''}{text}"
        rendered: str = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        return rendered

    def visual_mask(self, inputs: ModelInputs) -> Tensor:
        """Positions of the picture's placeholder."""
        mask: Tensor = inputs["input_ids"] == self.model.config.vision_config.image_token_id
        return mask

    def encode_pictures(self, inputs: ModelInputs) -> ModelInputs:
        """Embeddings with the picture in them, one sample at a time: beside others a picture comes out differently."""
        ids = inputs["input_ids"]
        embeddings = self.decoder.get_submodule("embed_tokens")(ids)
        merge = self.decoder.get_submodule("embed_tokens_extend")
        crops = inputs["image_sizes"].div(self.model.config.vision_config.crop_size).prod(dim=1).long() + 1
        rows = [
            merge(
                ids[row : row + 1],
                embeddings[row : row + 1],
                image_pixel_values=inputs["image_pixel_values"][row : row + 1, :count],
                image_sizes=inputs["image_sizes"][row : row + 1],
                image_attention_mask=inputs["image_attention_mask"][row : row + 1, :count],
            )
            for row, count in enumerate(crops.tolist())
        ]
        rest = {name: value for name, value in inputs.items() if name not in self.needed}
        return {**rest, "inputs_embeds": torch.cat(rows)}

    def append(self, inputs: ModelInputs, tokens: Sequence[int]) -> ModelInputs:
        """The new tokens' embeddings as well."""
        longer = super().append(inputs, tokens)
        if "inputs_embeds" in inputs:
            more = self.decoder.get_submodule("embed_tokens")(longer["input_ids"][:, -len(tokens) :])
            longer["inputs_embeds"] = torch.cat([inputs["inputs_embeds"], more], dim=1)
        return longer

    def forward(self, inputs: ModelInputs, keep: int) -> Tensor:
        """Embeddings where there are any, else token ids."""
        if "inputs_embeds" in inputs:
            inputs = {name: value for name, value in inputs.items() if name != "input_ids"}
        return super().forward(inputs, keep)
