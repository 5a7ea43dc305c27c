"""Qwen2-VL to Qwen3.5, and GLM-4.1V: patches as rows, multimodal rotary positions."""

from typing import Any

from transformers import (
    CONFIG_MAPPING,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
)

from tests.extract.models.families.tiny import FIRST_OWN_ID, IMAGE_ID, TEXT, VIDEO_ID, chat_template, tokenizer

START, END = "<|vision_start|>", "<|vision_end|>"
TEMPLATE = chat_template(f"{START}<|image_pad|>{END}", "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n")
SIZE = {"shortest_edge": 28 * 28, "longest_edge": 112 * 112}
PICTURES = ((56, 56), (56, 84))
"""Two shapes: pictures of a batch then give different numbers of rows."""

VISION: dict[str, Any] = {
    "depth": 2,
    "hidden_size": 32,
    "num_heads": 4,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "in_channels": 3,
}
IDS = {
    "image_token_id": IMAGE_ID,
    "video_token_id": VIDEO_ID,
    "vision_start_token_id": FIRST_OWN_ID,
    "vision_end_token_id": FIRST_OWN_ID + 1,
}


def rope(**more: Any) -> dict[str, Any]:
    return {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2], **more}}


def qwen2_vl() -> Any:
    vision = {**VISION, "embed_dim": 32, "mlp_ratio": 2, "patch_size": 14}
    return CONFIG_MAPPING["qwen2_vl"](text_config={**TEXT, **rope()}, vision_config=vision, **IDS)


def qwen2_5_vl() -> Any:
    vision = {
        **VISION,
        "out_hidden_size": 32,
        "intermediate_size": 64,
        "patch_size": 14,
        "window_size": 56,
        "fullatt_block_indexes": [1],
    }
    return CONFIG_MAPPING["qwen2_5_vl"](text_config={**TEXT, **rope()}, vision_config=vision, **IDS)


def qwen3_vl(model_type: str = "qwen3_vl", **text: Any) -> Any:
    vision = {
        **VISION,
        "out_hidden_size": 32,
        "intermediate_size": 64,
        "patch_size": 16,
        "num_position_embeddings": 16,
        "deepstack_visual_indexes": [0, 1],
    }
    words = {**TEXT, "head_dim": 8, **rope(mrope_interleaved=True), **text}
    return CONFIG_MAPPING[model_type](text_config=words, vision_config=vision, **IDS)


def qwen3_vl_moe() -> Any:
    return qwen3_vl("qwen3_vl_moe", num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32)


QWEN35_VISION = {
    **VISION,
    "out_hidden_size": 32,
    "intermediate_size": 64,
    "patch_size": 16,
    "num_position_embeddings": 16,
}
QWEN35_WORDS = {
    **TEXT,
    "head_dim": 8,
    **rope(mrope_interleaved=True),
    "layer_types": ["linear_attention", "full_attention", "linear_attention"],
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
}


def qwen3_5() -> Any:
    return CONFIG_MAPPING["qwen3_5"](text_config=QWEN35_WORDS, vision_config=QWEN35_VISION, **IDS)


def qwen3_5_moe() -> Any:
    words = {name: value for name, value in QWEN35_WORDS.items() if name != "intermediate_size"}
    words |= {"num_experts": 4, "num_experts_per_tok": 2}
    words |= {"moe_intermediate_size": 32, "shared_expert_intermediate_size": 32}
    return CONFIG_MAPPING["qwen3_5_moe"](text_config=words, vision_config=QWEN35_VISION, **IDS)


def qwen3_processor(kind: Any = Qwen3VLProcessor) -> Any:
    images = Qwen2VLImageProcessor(patch_size=16, merge_size=2, size=SIZE)
    return kind(images, qwen_tokenizer(), Qwen3VLVideoProcessor(patch_size=16, size=SIZE), chat_template=TEMPLATE)


def qwen_tokenizer() -> Any:
    return tokenizer(START, END, "<|im_start|>", "<|im_end|>", image="<|image_pad|>", video="<|video_pad|>", bos=False)


def qwen2_processor(kind: Any = Qwen2VLProcessor) -> Any:
    images = Qwen2VLImageProcessor(patch_size=14, merge_size=2, size=SIZE)
    return kind(images, qwen_tokenizer(), Qwen2VLVideoProcessor(patch_size=14, size=SIZE), chat_template=TEMPLATE)
