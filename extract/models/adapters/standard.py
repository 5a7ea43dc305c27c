"""Families that need no special code: the picture reaches the decoder only through `inputs_embeds`."""

from collections.abc import Sequence
from typing import ClassVar

from PIL import Image
from torch import nn

from pid_lvlm.extract.models.adapters.base import PIXELS, Adapter, ModelInputs


class LlavaAdapter(Adapter):
    """`LlavaForConditionalGeneration`: LLaVA-1.5, and Pixtral, which shares the class."""

    family: ClassVar[str] = "llava"
    shares_prefix: ClassVar[bool] = True


class LlavaNextAdapter(Adapter):
    """`LlavaNextForConditionalGeneration`: tiles; a learned vector ends each row of the visual span."""

    family: ClassVar[str] = "llava_next"
    shares_prefix: ClassVar[bool] = True
    needed: ClassVar[tuple[str, ...]] = (PIXELS, "image_sizes")


class LlavaOnevisionAdapter(LlavaNextAdapter):
    """`LlavaOnevisionForConditionalGeneration`."""

    family: ClassVar[str] = "llava_onevision"


class InternVLAdapter(Adapter):
    """`InternVLForConditionalGeneration`: InternVL 2.5 (MPO), 3 and 3.5 in their transformers form."""

    family: ClassVar[str] = "internvl"
    shares_prefix: ClassVar[bool] = True


class Idefics3Adapter(Adapter):
    """`Idefics3ForConditionalGeneration`: Idefics3 and SmolVLM; `Idefics2ForConditionalGeneration` alike."""

    family: ClassVar[str] = "idefics3"
    projector: ClassVar[str] = "connector"
    shares_prefix: ClassVar[bool] = True
    needed: ClassVar[tuple[str, ...]] = (PIXELS, "pixel_attention_mask")
    nested = True


class SmolVLMAdapter(Idefics3Adapter):
    """`SmolVLMForConditionalGeneration`: SmolVLM2."""

    family: ClassVar[str] = "smolvlm"


class Mistral3Adapter(LlavaNextAdapter):
    """`Mistral3ForConditionalGeneration`: Mistral Small with a Pixtral tower."""

    family: ClassVar[str] = "mistral3"


class AyaVisionAdapter(Adapter):
    """`AyaVisionForConditionalGeneration`: the text model's `logit_scale` is not applied by this class."""

    family: ClassVar[str] = "aya_vision"


class Cohere2VisionAdapter(Adapter):
    """`Cohere2VisionForConditionalGeneration`: Command A Vision."""

    family: ClassVar[str] = "cohere2_vision"


class Lfm2VLAdapter(Adapter):
    """`Lfm2VlForConditionalGeneration`: some layers are convolutions."""

    family: ClassVar[str] = "lfm2_vl"
    norm: ClassVar[str] = "embedding_norm"
    needed: ClassVar[tuple[str, ...]] = (PIXELS, "spatial_shapes", "pixel_attention_mask")
    nested = True


class Glm4vAdapter(Adapter):
    """`Glm4vForConditionalGeneration`: rotary positions in three dimensions."""

    family: ClassVar[str] = "glm4v"
    shares_prefix: ClassVar[bool] = True
    needed: ClassVar[tuple[str, ...]] = (PIXELS, "image_grid_thw", "mm_token_type_ids")


class Ovis2Adapter(Adapter):
    """`Ovis2ForConditionalGeneration`: tiles; a picture is a mixture of rows of a visual vocabulary."""

    family: ClassVar[str] = "ovis2"
    shares_prefix: ClassVar[bool] = True


class DeepseekVLAdapter(Adapter):
    """`DeepseekVLForConditionalGeneration`."""

    family: ClassVar[str] = "deepseek_vl"
    shares_prefix: ClassVar[bool] = True


class JanusAdapter(Adapter):
    """`JanusForConditionalGeneration`, as a reader of pictures."""

    family: ClassVar[str] = "janus"
    projector: ClassVar[str] = "aligner"
    shares_prefix: ClassVar[bool] = True


class Llama4Adapter(Adapter):
    """`Llama4ForConditionalGeneration`: tiles. Its processor always makes bfloat16 pixels."""

    family: ClassVar[str] = "llama4"

    @property
    def decoder(self) -> nn.Module:
        """Inside the text model, which has its own head."""
        found: nn.Module = self.model.language_model.model
        return found

    def process(self, prompts: Sequence[str], pictures: Sequence[Image.Image] | None) -> ModelInputs:
        """The processor's outputs, with pixels in the model's dtype."""
        inputs = super().process(prompts, pictures)
        return {name: value.to(self.model.dtype) if name == PIXELS else value for name, value in inputs.items()}


class Molmo2Adapter(Adapter):
    """`Molmo2ForConditionalGeneration`: features are added to placeholder embeddings; picture tokens see each other."""

    family: ClassVar[str] = "molmo2"
    needed: ClassVar[tuple[str, ...]] = (PIXELS, "image_token_pooling", "image_grids", "mm_token_type_ids")
