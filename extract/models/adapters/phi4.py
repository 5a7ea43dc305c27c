"""Phi-4-multimodal: the decoder itself merges pictures."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from pid_lvlm.extract.models.adapters.base import Adapter, ModelInputs
from pid_lvlm.extract.models.processor.chat_template import render_prompt


class Phi4MultimodalAdapter(Adapter):
    """`Phi4MultimodalForCausalLM`: the decoder itself merges pictures, so it is given the merged embeddings."""

    family: ClassVar[str] = "phi4_multimodal"
    needed: ClassVar[tuple[str, ...]] = ("image_pixel_values", "image_sizes", "image_attention_mask")
    auto_class: ClassVar[str] = "AutoModelForCausalLM"

    def render(self, text: str, *, picture: bool) -> str:
        """Uses the tokenizer's template, which takes plain text containing the placeholder."""
        content = f"{self.placeholder if picture else ''}{text}"
        return render_prompt(self.tokenizer, [{"role": "user", "content": content}], {})

    def visual_mask(self, inputs: ModelInputs) -> Tensor:
        """Positions of the picture's placeholder."""
        mask: Tensor = inputs["input_ids"] == self.model.config.vision_config.image_token_id
        return mask

    def encode_pictures(self, inputs: ModelInputs) -> ModelInputs:
        """Embeddings with the picture merged in, one sample at a time: in a batch a picture is encoded differently."""
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
        """Append the new tokens' embeddings as well."""
        longer = super().append(inputs, tokens)
        if "inputs_embeds" in inputs:
            more = self.decoder.get_submodule("embed_tokens")(longer["input_ids"][:, -len(tokens) :])
            longer["inputs_embeds"] = torch.cat([inputs["inputs_embeds"], more], dim=1)
        return longer

    def forward(self, inputs: ModelInputs, keep: int) -> Tensor:
        """Embeddings if there are any, else token ids."""
        if "inputs_embeds" in inputs:
            inputs = {name: value for name, value in inputs.items() if name != "input_ids"}
        return super().forward(inputs, keep)
