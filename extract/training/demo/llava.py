"""LLaVA in demo size: CLIP vision tower, Llama language model."""

from __future__ import annotations

from typing import Any, Final

from torch import Tensor, nn
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from pid_lvlm.extract.training.demo.sizes import ModelSize
from pid_lvlm.extract.training.demo.tokenizer import Marks, chat_template

MODEL: Final = LlavaForConditionalGeneration
MARKS: Final = Marks(
    begin="<s>",
    end="</s>",
    image="<image>",
    # The conversation format of LLaVA-1.5: user turns start with their picture, answers end with the end token.
    template=chat_template(user="USER: ", user_end=" ", assistant="ASSISTANT:", end="</s>", picture="<image>\n"),
    words=("USER", "ASSISTANT", ":"),
)


def make_config(size: ModelSize, tokenizer: PreTrainedTokenizerFast) -> LlavaConfig:
    """Configuration of a model.

    Args:
        size: Shape of the model.
        tokenizer: The tokenizer it will read with.
    """
    vision = CLIPVisionConfig(
        hidden_size=size.vision_hidden,
        intermediate_size=2 * size.vision_hidden,
        projection_dim=size.vision_hidden,
        num_hidden_layers=size.vision_layers,
        num_attention_heads=size.vision_heads,
        image_size=size.image_size,
        patch_size=size.patch_size,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=size.hidden,
        intermediate_size=size.intermediate,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.heads,
        max_position_embeddings=tokenizer.model_max_length,
        initializer_range=size.init_std,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
    )
    return LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids(MARKS.image),
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        image_seq_length=(size.image_size // size.patch_size) ** 2,
        tie_word_embeddings=False,
        initializer_range=size.init_std,
    )


def make_processor(size: ModelSize, tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """The processor that belongs to a model, on the Pillow back end.

    Args:
        size: Shape of the model.
        tokenizer: Its tokenizer.
    """
    images = CLIPImageProcessorPil(
        size={"shortest_edge": size.image_size},
        crop_size={"height": size.image_size, "width": size.image_size},
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
    )
    return LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=size.patch_size,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=MARKS.template,
    )


def patch_states(model: Any, inputs: dict[str, Tensor]) -> Tensor:
    """States of the patches of pictures, shape (pictures, patches, dimensions)."""
    states: Tensor = model.model.vision_tower(inputs["pixel_values"]).last_hidden_state[:, 1:]
    return states


def vision(model: Any) -> list[nn.Parameter]:
    """Weights of the vision tower."""
    return list(model.model.vision_tower.parameters())
