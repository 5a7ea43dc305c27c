"""A family that transformers does not have, made up for docs/adding-a-model.md, which quotes its adapter.

Llama over linear patch embeddings. The picture also shifts every token, and logits are scaled.
"""

from typing import Any, ClassVar

from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoProcessor,
    CLIPImageProcessor,
    LlamaConfig,
    LlamaModel,
    LlavaProcessor,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling, CausalLMOutputWithPast

from pid_lvlm.data.names import SOURCES
from pid_lvlm.extract.conditions.sites import DecoderInputs, Site, SpanMasks
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.models.registry import register
from tests.extract.models.families.tiny import IMAGE_ID, TEXT, Family, chat_template, tokenizer

PATCH = 14


class ToyVLConfig(PreTrainedConfig):
    model_type = "toyvl"
    sub_configs = {"text_config": LlamaConfig}

    text_config: Any = None
    image_token_id: int = IMAGE_ID
    logit_scale: float = 0.5

    def __post_init__(self, **kwargs: Any) -> None:
        if isinstance(self.text_config, dict):
            self.text_config = LlamaConfig(**self.text_config)
        super().__post_init__(**kwargs)


class ToyVLDecoder(LlamaModel):
    def forward(self, inputs_embeds: Tensor, picture_bias: Tensor | None = None, **kwargs: Any) -> Any:
        if picture_bias is not None:
            inputs_embeds = inputs_embeds + picture_bias[:, None]
        return super().forward(inputs_embeds=inputs_embeds, **kwargs)


class ToyVLForConditionalGeneration(PreTrainedModel):
    config_class = ToyVLConfig

    def __init__(self, config: ToyVLConfig) -> None:
        super().__init__(config)
        text = config.text_config
        self.patches = nn.Linear(3 * PATCH**2, text.hidden_size)
        self.bias = nn.Linear(text.hidden_size, text.hidden_size)
        self.language_model = ToyVLDecoder(text)
        self.lm_head = nn.Linear(text.hidden_size, text.vocab_size, bias=False)
        self.post_init()

    def get_decoder(self) -> nn.Module:
        return self.language_model

    def get_input_embeddings(self) -> nn.Module:
        return self.language_model.embed_tokens

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head

    def get_image_features(self, pixel_values: Tensor, **_: Any) -> BaseModelOutputWithPooling:
        blocks = pixel_values.unfold(2, PATCH, PATCH).unfold(3, PATCH, PATCH)  # batch, 3, rows, columns, PATCH, PATCH
        patches = self.patches(blocks.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2).to(self.dtype))
        return BaseModelOutputWithPooling(last_hidden_state=patches, pooler_output=self.bias(patches.mean(dim=1)))

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        pixel_values: Tensor | None = None,
        mm_encoder_outputs: dict[str, Any] | None = None,
        logits_to_keep: int = 0,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        picture = (mm_encoder_outputs or {}).get("image")
        if pixel_values is not None:
            picture = self.get_image_features(pixel_values)
        embeds = self.get_input_embeddings()(input_ids)
        if picture is not None:
            visual = (input_ids == self.config.image_token_id)[..., None]
            embeds = embeds.masked_scatter(visual, picture.last_hidden_state.to(embeds))
            kwargs["picture_bias"] = picture.pooler_output
        states = self.language_model(inputs_embeds=embeds, attention_mask=attention_mask, **kwargs).last_hidden_state
        return CausalLMOutputWithPast(logits=self.lm_head(states[:, -logits_to_keep:]) * self.config.logit_scale)


class PictureBiasSite(Site):
    argument: str = "picture_bias"  # of the decoder's forward: (batch, hidden)

    def __init__(self) -> None:
        super().__init__("picture_bias", SOURCES[0], "the picture's vector that is added to every token")

    def read(self, inputs: DecoderInputs, masks: SpanMasks) -> Tensor:
        vectors: Tensor = inputs[self.argument]
        return vectors

    def rows(self, masks: SpanMasks) -> list[int]:
        return [1] * len(masks.vision)  # one vector per sample

    def write(self, inputs: DecoderInputs, masks: SpanMasks, values: Tensor) -> dict[str, Any]:
        old: Tensor = inputs[self.argument]
        return {**inputs, self.argument: values.to(old.device, old.dtype)}


class ToyVLAdapter(Adapter):
    family: ClassVar[str] = "toyvl"
    sites = (*Adapter.sites, PictureBiasSite())

    def cap(self, logits: Tensor) -> Tensor:
        scale: float = self.model.config.logit_scale
        return logits * scale


AutoConfig.register("toyvl", ToyVLConfig, exist_ok=True)
AutoModelForImageTextToText.register(ToyVLConfig, ToyVLForConditionalGeneration, exist_ok=True)
AutoProcessor.register(ToyVLConfig, LlavaProcessor, exist_ok=True)
register("toyvl", ToyVLAdapter)


def toyvl_config() -> Any:
    return ToyVLConfig(text_config=TEXT)


def toyvl_processor() -> Any:
    return LlavaProcessor(
        CLIPImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}),
        tokenizer(),
        patch_size=PATCH,
        vision_feature_select_strategy="full",
        chat_template=chat_template(),
    )


def balanced(model: Any) -> None:
    """A picture no louder than words, and a decoder that clearly attends to them."""
    nn.init.normal_(model.patches.weight, std=0.02)
    for parameter in model.language_model.layers.parameters():
        if parameter.ndim >= 2:
            nn.init.normal_(parameter, std=0.3)


FAMILY = Family("toyvl", toyvl_config, toyvl_processor, balanced)
