"""InternVL, Idefics3 and SmolVLM, Aya Vision, LFM2-VL, GLM-4.1V."""

from typing import Any

from transformers import (
    CONFIG_MAPPING,
    AyaVisionProcessor,
    Cohere2VisionImageProcessor,
    Cohere2VisionProcessor,
    Glm4vImageProcessor,
    Glm4vProcessor,
    Glm4vVideoProcessor,
    GotOcr2ImageProcessor,
    Idefics3ImageProcessor,
    Idefics3Processor,
    InternVLProcessor,
    InternVLVideoProcessor,
    Lfm2VlImageProcessor,
    Lfm2VlProcessor,
    SmolVLMImageProcessor,
    SmolVLMProcessor,
    SmolVLMVideoProcessor,
)

from tests.extract.models.families.gemma import LAYERS
from tests.extract.models.families.llava import siglip
from tests.extract.models.families.qwen import SIZE, rope
from tests.extract.models.families.qwen import VISION as PATCHES
from tests.extract.models.families.tiny import BOS, IMAGE, IMAGE_ID, TEXT, VIDEO_ID, VISION, chat_template, tokenizer

TILED = ((56, 56), (56, 112))
"""One tile, and two with an overview."""

EDGE = {"height": 56, "width": 56}


def internvl_config() -> Any:
    return CONFIG_MAPPING["internvl"](
        text_config=CONFIG_MAPPING["qwen2"](**TEXT),
        vision_config={**VISION, "image_size": [56, 56], "patch_size": [14, 14]},
        image_token_id=IMAGE_ID,
    )


def internvl_processor() -> Any:
    image, video = "<IMG_CONTEXT>", "<video>"
    named = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": image,
        "video_token": video,
    }
    return InternVLProcessor(
        GotOcr2ImageProcessor(size=EDGE, crop_to_patches=True, max_patches=2),
        tokenizer("<|im_start|>", "<|im_end|>", image=image, bos=False, named=named),
        InternVLVideoProcessor(size=EDGE),
        image_seq_length=4,
        chat_template=chat_template(image + "\n", "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"),
    )


def idefics_config(model_type: str) -> Any:
    return CONFIG_MAPPING[model_type](
        text_config=CONFIG_MAPPING["llama"](**TEXT),
        vision_config={**VISION, "image_size": 56},
        image_token_id=IMAGE_ID,
        scale_factor=2,
    )


def idefics_tokenizer() -> Any:
    return tokenizer(
        "<fake_token_around_image>", "<end_of_utterance>", "<global-img>", "<row_1_col_1>", "<row_1_col_2>"
    )


IDEFICS_TEMPLATE = chat_template(IMAGE, "User:", "<end_of_utterance>\nAssistant:", BOS)


def idefics3_processor() -> Any:
    images = Idefics3ImageProcessor(size={"longest_edge": 112}, max_image_size={"longest_edge": 56})
    return Idefics3Processor(images, idefics_tokenizer(), image_seq_len=4, chat_template=IDEFICS_TEMPLATE)


def smolvlm_processor() -> Any:
    images = SmolVLMImageProcessor(size={"longest_edge": 112}, max_image_size={"longest_edge": 56})
    videos = SmolVLMVideoProcessor(size={"longest_edge": 56})
    return SmolVLMProcessor(images, idefics_tokenizer(), videos, image_seq_len=4, chat_template=IDEFICS_TEMPLATE)


def aya_config() -> Any:
    return CONFIG_MAPPING["aya_vision"](
        text_config=CONFIG_MAPPING["cohere2"](**TEXT, sliding_window=8, layer_types=LAYERS, logit_scale=0.25),
        vision_config=siglip(image_size=56),
        image_token_id=IMAGE_ID,
        downsample_factor=2,
    )


def aya_processor() -> Any:
    image = "<|IMG_PATCH|>"
    return AyaVisionProcessor(
        GotOcr2ImageProcessor(size=EDGE, crop_to_patches=True, max_patches=2),
        tokenizer("<|START_OF_IMG|>", "<|END_OF_IMG|>", "TILE_1", "TILE_2", "TILE_GLOBAL", IMAGE, image=image),
        patch_size=14,
        img_size=56,
        downsample_factor=2,
        chat_template=chat_template(IMAGE, "<|USER|>", "<|CHATBOT|>", BOS),
    )


def cohere2_config() -> Any:
    return CONFIG_MAPPING["cohere2_vision"](
        text_config=CONFIG_MAPPING["cohere2"](**TEXT, sliding_window=8, layer_types=LAYERS, logit_scale=0.25),
        vision_config=siglip(image_size=56),
        image_token_id=IMAGE_ID,
        downsample_factor=2,
        alignment_intermediate_size=64,
    )


def cohere2_processor() -> Any:
    image, start, end, line = "<|IMG_PATCH|>", "<|START_OF_IMG|>", "<|END_OF_IMG|>", "<|IMG_LINE_BREAK|>"
    named = {"boi_token": start, "eoi_token": end, "img_line_break_token": line, "image_token": image}
    return Cohere2VisionProcessor(
        Cohere2VisionImageProcessor(size=EDGE, patch_size=2, max_patches=2, crop_to_patches=True),
        tokenizer(start, end, line, image=image, named=named),
        chat_template=chat_template(image, "<|USER|>", "<|CHATBOT|>", BOS),
    )


def lfm2_config() -> Any:
    text = CONFIG_MAPPING["lfm2"](**TEXT, layer_types=["conv", "full_attention", "conv"])
    vision = CONFIG_MAPPING["siglip2_vision_model"](**{**VISION, "num_patches": 16, "vision_use_head": False})
    return CONFIG_MAPPING["lfm2_vl"](
        text_config=text, vision_config=vision, image_token_id=IMAGE_ID, downsample_factor=2, projector_hidden_size=32
    )


def lfm2_processor() -> Any:
    images = Lfm2VlImageProcessor(
        encoder_patch_size=14, tile_size=56, size=EDGE, min_image_tokens=1, max_image_tokens=8, max_tiles=2
    )
    own = ("<|image_start|>", "<|image_end|>", "<|img_thumbnail|>")
    return Lfm2VlProcessor(images, tokenizer(*own), chat_template=chat_template(IMAGE, "user: ", "assistant:", BOS))


GLM_VISION = {**PATCHES, "out_hidden_size": 32, "intermediate_size": 64, "patch_size": 14, "image_size": 56}
GLM_IDS = {
    "image_token_id": IMAGE_ID,
    "video_token_id": VIDEO_ID,
    "image_start_token_id": 5,
    "image_end_token_id": 6,
    "video_start_token_id": 7,
    "video_end_token_id": 8,
}
GLM_START, GLM_END = "<|begin_of_image|>", "<|end_of_image|>"
GLM_TEMPLATE = chat_template(f"{GLM_START}<|image|>{GLM_END}", "<|user|>\n", "<|assistant|>\n")


def glm4v_config() -> Any:
    text = {**TEXT, "head_dim": 8, **rope()}
    return CONFIG_MAPPING["glm4v"](text_config=text, vision_config=GLM_VISION, **GLM_IDS)


def glm_tokenizer() -> Any:
    own = (GLM_START, GLM_END, "<|begin_of_video|>", "<|end_of_video|>", "<|user|>", "<|assistant|>")
    return tokenizer(*own, image="<|image|>", video="<|video|>", bos=False)


def glm4v_processor() -> Any:
    return Glm4vProcessor(
        Glm4vImageProcessor(patch_size=14, merge_size=2, size=SIZE),
        glm_tokenizer(),
        Glm4vVideoProcessor(patch_size=14, size=SIZE),
        chat_template=GLM_TEMPLATE,
    )
