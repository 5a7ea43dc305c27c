"""LLaVA-1.5 and what shares its classes."""

from typing import Any

from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaProcessor,
)

from tests.extract.families.tiny import IMAGE_ID, TEXT, VISION, chat_template, tokenizer


def llava_config() -> Any:
    vision = CLIPVisionConfig(**VISION, projection_dim=32)
    return LlavaConfig(text_config=LlamaConfig(**TEXT), vision_config=vision, image_token_id=IMAGE_ID)


def llava_processor() -> Any:
    images = CLIPImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    return LlavaProcessor(
        images,
        tokenizer(),
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=chat_template(),
    )
