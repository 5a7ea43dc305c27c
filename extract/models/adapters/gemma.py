"""Google's families: PaliGemma, Gemma-3, Gemma-3n, Gemma-4."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor

from pid_lvlm.data.names import SOURCES
from pid_lvlm.extract.conditions.sites import PositionSite
from pid_lvlm.extract.models.adapters.base import PIXELS, Adapter, ModelInputs, soft_cap


class Gemma3Adapter(Adapter):
    """`Gemma3ForConditionalGeneration`: tokens of a picture attend to each other, as `token_type_ids` mark."""

    family: ClassVar[str] = "gemma3"
    needed: ClassVar[tuple[str, ...]] = (PIXELS, "token_type_ids")
    nested = True


class SoftCapped(Adapter):
    """Families with soft-capped logits."""

    def cap(self, logits: Tensor) -> Tensor:
        """Apply the cap, if the checkpoint has one."""
        return soft_cap(self.model, logits)


class PerLayerInputs(SoftCapped):
    """Families that may give every block its own embedding of the token ids, in addition to `inputs_embeds`."""

    def __init__(self, model: Any, processor: Any) -> None:
        super().__init__(model, processor)
        if getattr(model.config.get_text_config(), "hidden_size_per_layer_input", 0):
            where = "language span of the embeddings that every decoder block gets for itself"
            self.sites = (*self.sites, PositionSite("per_layer_inputs", SOURCES[1], where, "per_layer_inputs"))


class Gemma4Adapter(PerLayerInputs):
    """`Gemma4ForConditionalGeneration`."""

    family: ClassVar[str] = "gemma4"
    needed: ClassVar[tuple[str, ...]] = (PIXELS, "image_position_ids", "mm_token_type_ids")
    nested = True


class Gemma3nAdapter(PerLayerInputs):
    """`Gemma3nForConditionalGeneration`: four residual streams, merged into one in the last step."""

    family: ClassVar[str] = "gemma3n"
    needed: ClassVar[tuple[str, ...]] = (PIXELS, "token_type_ids")
    nested = True

    def block_state(self, output: Any) -> Tensor:
        """The streams as one state, (batch, tokens, streams, hidden)."""
        return super().block_state(output).permute(1, 2, 0, 3)

    def final_norm(self, states: Tensor) -> Tensor:
        """Streams (…, streams, hidden) projected back, scaled to the first one's magnitude, averaged and normed."""
        decoder: Any = self.decoder
        first = states[..., 0, :]
        size = first.square().mean(dim=-1, keepdim=True).sqrt()
        streams = [first]
        for index, project in enumerate(decoder.altup_unembed_projections, start=1):
            stream = project(states[..., index, :])
            streams.append(stream * size / stream.square().mean(dim=-1, keepdim=True).clamp(min=1e-5).sqrt())
        return super().final_norm(torch.stack(streams).mean(dim=0))


class PaliGemmaAdapter(SoftCapped):
    """`PaliGemmaForConditionalGeneration`: no chat template, and bidirectional attention within the prompt."""

    family: ClassVar[str] = "paligemma"
    needed: ClassVar[tuple[str, ...]] = (PIXELS, "token_type_ids")
    unused: ClassVar[tuple[str, ...]] = ("labels",)
    appended: ClassVar[Mapping[str, int]] = {**Adapter.appended, "token_type_ids": 1}  # answers attend only backwards

    def render(self, text: str, *, picture: bool) -> str:
        """The picture, BOS, the text and a line break, as in training and as the processor writes it."""
        return f"{self.placeholder if picture else ''}{self.tokenizer.bos_token}{text}\n"

    def _special_tokens(self, prompts: Sequence[str]) -> dict[str, bool]:
        return {"add_special_tokens": False}

    def process(self, prompts: Sequence[str], pictures: Sequence[Image.Image] | None) -> ModelInputs:
        """The processor adds BOS and the line break itself and accepts no prompt without a picture."""
        if pictures is not None:
            bos = self.tokenizer.bos_token
            return super().process([prompt.replace(bos, "", 1).removesuffix("\n") for prompt in prompts], pictures)
        inputs = self.tokenizer(list(prompts), add_special_tokens=False, padding=True, return_tensors="pt")
        return {**inputs, "token_type_ids": torch.zeros_like(inputs["input_ids"])}
