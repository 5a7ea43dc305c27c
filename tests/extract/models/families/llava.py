"""LLaVA in its versions, Pixtral and Mistral 3."""

from typing import Any

from transformers import (
    CONFIG_MAPPING,
    CLIPImageProcessor,
    LlavaNextImageProcessor,
    LlavaNextProcessor,
    LlavaOnevisionImageProcessor,
    LlavaOnevisionProcessor,
    LlavaOnevisionVideoProcessor,
    LlavaProcessor,
    PixtralImageProcessor,
    PixtralProcessor,
)

from tests.extract.models.families.tiny import IMAGE_ID, SIZES, TEXT, VIDEO_ID, VISION, chat_template, tokenizer

SQUARE = {"height": 28, "width": 28}
PINPOINTS = [[28, 56], [56, 28], [56, 56]]
TILED = ((28, 56), (56, 56))
"""Two shapes of picture: the spans of a batch then differ in length."""


def clip() -> Any:
    return CONFIG_MAPPING["clip_vision_model"](**VISION, projection_dim=32)


def siglip(**more: Any) -> Any:
    return CONFIG_MAPPING["siglip_vision_model"](**{**VISION, **more}, vision_use_head=False)


def pixtral() -> Any:
    return CONFIG_MAPPING["pixtral"](**{**SIZES, "num_hidden_layers": 2, "image_size": 56, "patch_size": 14})


def llava_config() -> Any:
    text = CONFIG_MAPPING["llama"](**TEXT)
    return CONFIG_MAPPING["llava"](text_config=text, vision_config=clip(), image_token_id=IMAGE_ID)


def vipllava_config() -> Any:
    text = CONFIG_MAPPING["llama"](**TEXT)
    layers = {"vision_feature_layers": [-2, -1]}
    return CONFIG_MAPPING["vipllava"](text_config=text, vision_config=clip(), image_token_index=IMAGE_ID, **layers)


def llava_processor() -> Any:
    return LlavaProcessor(
        CLIPImageProcessor(size={"shortest_edge": 28}, crop_size=SQUARE),
        tokenizer(),
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=chat_template(),
    )


def llava_next_config() -> Any:
    return CONFIG_MAPPING["llava_next"](
        text_config=CONFIG_MAPPING["llama"](**TEXT),
        vision_config=clip(),
        image_token_id=IMAGE_ID,
        image_grid_pinpoints=PINPOINTS,
    )


def llava_next_processor() -> Any:
    images = LlavaNextImageProcessor(size={"shortest_edge": 28}, crop_size=SQUARE, image_grid_pinpoints=PINPOINTS)
    return LlavaNextProcessor(
        images,
        tokenizer(),
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=chat_template(),
    )


def onevision_config() -> Any:
    return CONFIG_MAPPING["llava_onevision"](
        text_config=CONFIG_MAPPING["qwen2"](**TEXT),
        vision_config=siglip(),
        image_token_id=IMAGE_ID,
        video_token_id=VIDEO_ID,
        image_grid_pinpoints=PINPOINTS,
    )


def onevision_processor() -> Any:
    return LlavaOnevisionProcessor(
        LlavaOnevisionImageProcessor(size=SQUARE, image_grid_pinpoints=PINPOINTS),
        tokenizer(bos=False),
        LlavaOnevisionVideoProcessor(size=SQUARE),
        num_image_tokens=4,
        vision_feature_select_strategy="full",
        chat_template=chat_template(),
    )


def pixtral_config() -> Any:
    return CONFIG_MAPPING["llava"](
        text_config=CONFIG_MAPPING["mistral"](**TEXT),
        vision_config=pixtral(),
        image_token_id=IMAGE_ID,
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
    )


def mistral3_config() -> Any:
    return CONFIG_MAPPING["mistral3"](
        text_config=CONFIG_MAPPING["mistral"](**TEXT),
        vision_config=pixtral(),
        image_token_id=IMAGE_ID,
        spatial_merge_size=2,
        vision_feature_layer=-1,
    )


def pixtral_processor(merge: int = 1) -> Any:
    return PixtralProcessor(
        PixtralImageProcessor(patch_size={"height": 14, "width": 14}, size={"longest_edge": 56}),
        tokenizer("[IMG_BREAK]", "[IMG_END]", image="[IMG]"),
        patch_size=14,
        spatial_merge_size=merge,
        chat_template=chat_template("[IMG]", "[INST]", "[/INST]"),
    )
