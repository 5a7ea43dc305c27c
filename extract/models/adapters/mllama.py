"""Llama-3.2-Vision: the picture is not part of the text; some decoder layers attend to it."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import torch
from torch import Tensor

from pid_lvlm.data.names import SOURCES
from pid_lvlm.extract.conditions.sites import CrossAttentionSite, EmbeddingSite, Site
from pid_lvlm.extract.models.adapters.base import Adapter, ModelInputs

PICTURE_KEYS: Final = ("pixel_values", "aspect_ratio_ids", "aspect_ratio_mask")
CROSS_MASK: Final = "cross_attention_mask"


class MllamaAdapter(Adapter):
    """`MllamaForConditionalGeneration`. Without a picture its cross-attention layers do not run."""

    family: ClassVar[str] = "mllama"
    picture_in_tokens: ClassVar[bool] = False
    sites: tuple[Site, ...] = (CrossAttentionSite(), EmbeddingSite(SOURCES[1]))
    needed: ClassVar[tuple[str, ...]] = (*PICTURE_KEYS, CROSS_MASK)
    nested = True
    # Llama 3's templates can write today's date into the prompt; a run must not depend on the date.
    template_options: ClassVar[Mapping[str, Any]] = {**Adapter.template_options, "date_string": "26 Jul 2024"}

    def visual_mask(self, inputs: ModelInputs) -> Tensor:
        """States of tiles with a picture in them, (batch, pictures · tiles · states of a tile); none without one."""
        if "aspect_ratio_mask" not in inputs:
            return inputs["input_ids"].new_zeros((len(inputs["input_ids"]), 0), dtype=torch.bool)
        tiles = inputs["aspect_ratio_mask"].flatten(1).bool()
        return tiles.repeat_interleave(self.model.model.vision_model.num_patches, dim=1)

    def encode_pictures(self, inputs: ModelInputs) -> ModelInputs:
        """Run vision tower and projector once; the cross-attention states replace the pixels."""
        core = self.model.model
        states = core.vision_model(**{name: inputs[name] for name in PICTURE_KEYS}).last_hidden_state
        projected = core.multi_modal_projector(states).reshape(-1, states.shape[-2], core.hidden_size)
        rest = {name: value for name, value in inputs.items() if name not in PICTURE_KEYS}
        return {**rest, "cross_attention_states": projected}

    def append(self, inputs: ModelInputs, tokens: Sequence[int]) -> ModelInputs:
        """Tokens after the prompt see the tiles that the prompt's last token sees."""
        longer = super().append(inputs, tokens)
        if CROSS_MASK in inputs:
            mask = inputs[CROSS_MASK]
            more = mask[:, -1:].expand(-1, len(tokens), -1, -1)
            longer[CROSS_MASK] = torch.cat([mask, more], dim=1)
        return longer

    def forward(self, inputs: ModelInputs, keep: int) -> Tensor:
        """One pass. Passes embeddings instead of token ids, so that the decoder has an input that can be replaced."""
        rest = {name: value for name, value in inputs.items() if name != "input_ids"}
        embeddings = self.model.get_input_embeddings()(inputs["input_ids"])
        return super().forward({**rest, "inputs_embeds": embeddings}, keep)
