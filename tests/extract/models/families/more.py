"""Ovis2, DeepSeek-VL, Janus, Llama-4, and siblings of families that have lines of their own."""

from typing import Any

import torch
from PIL import Image
from transformers import (
    CONFIG_MAPPING,
    DeepseekVLImageProcessor,
    DeepseekVLProcessor,
    Gemma4UnifiedAudioFeatureExtractor,
    Gemma4UnifiedImageProcessor,
    Gemma4UnifiedProcessor,
    Gemma4UnifiedVideoProcessor,
    Glm46VImageProcessor,
    Glm46VProcessor,
    Glm46VVideoProcessor,
    Idefics2ImageProcessor,
    Idefics2Processor,
    JanusImageProcessor,
    JanusProcessor,
    Llama4ImageProcessor,
    Llama4Processor,
    LlavaNextImageProcessor,
    LlavaNextVideoProcessor,
    LlavaNextVideoVideoProcessor,
    Ovis2ImageProcessor,
    Ovis2Processor,
)

from tests.extract.models.families import gemma, llava, others, qwen
from tests.extract.models.families.llava import SQUARE
from tests.extract.models.families.tiny import (
    BOS,
    IMAGE,
    IMAGE_ID,
    SIZES,
    TEXT,
    VIDEO_ID,
    VISION,
    VOCABULARY,
    Family,
    chat_template,
    louder_attention,
    tokenizer,
    user_inputs,
)

GEMMA_PATCHES = {"patch_size": 4, "pooling_kernel_size": 2}


def gemma4_unified_config() -> Any:
    """Without a tower: patches go through one embedder into the decoder."""
    words = {
        **gemma.WORDS,
        "num_hidden_layers": 4,
        "global_head_dim": 8,
        "sliding_window": 8,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "final_logit_softcapping": 30.0,
        "use_bidirectional_attention": "vision",
    }
    vision = {"mm_embed_dim": 32, "mm_posemb_size": 64, "output_proj_dims": 32, **GEMMA_PATCHES}
    ids = {"image_token_id": IMAGE_ID, "video_token_id": VIDEO_ID, "audio_token_id": gemma.AUDIO_ID}
    return CONFIG_MAPPING["gemma4_unified"](text_config=words, vision_config=vision, audio_config=None, **ids)


def gemma4_unified_processor() -> Any:
    return Gemma4UnifiedProcessor(
        Gemma4UnifiedAudioFeatureExtractor(),
        Gemma4UnifiedImageProcessor(**GEMMA_PATCHES, max_soft_tokens=70),
        gemma.gemma_tokenizer("<|image|>", audio=True),
        Gemma4UnifiedVideoProcessor(**GEMMA_PATCHES, max_soft_tokens=70),
        chat_template=chat_template("<|image|>", *gemma.TURNS, bos=BOS),
    )


def glm46v_config() -> Any:
    dense = others.glm4v_config()
    parts = {"text_config": dense.text_config, "vision_config": dense.vision_config}
    return CONFIG_MAPPING["glm46v"](**parts, **others.GLM_IDS)


def glm46v_processor() -> Any:
    images = Glm46VImageProcessor(patch_size=14, merge_size=2, size=qwen.SIZE)
    videos = Glm46VVideoProcessor(patch_size=14, size=qwen.SIZE)
    return Glm46VProcessor(images, others.glm_tokenizer(), videos, chat_template=others.GLM_TEMPLATE)


def glm4v_moe_config() -> Any:
    """Half of each head turns with the position, so heads are twice as wide here."""
    words = {**TEXT, "head_dim": 16, **qwen.rope(), "n_routed_experts": 4, "first_k_dense_replace": 1}
    words |= {"num_experts_per_tok": 2, "moe_intermediate_size": 32}
    return CONFIG_MAPPING["glm4v_moe"](text_config=words, vision_config=others.GLM_VISION, **others.GLM_IDS)


def ovis2_config() -> Any:
    """The ids of the marks around a picture, whose embeddings come from the visual vocabulary."""
    vision = {**VISION, "image_size": 56, "vocab_size": 64, "hidden_stride": 2, "tokenize_function": "softmax"}
    return CONFIG_MAPPING["ovis2"](
        text_config=CONFIG_MAPPING["qwen2"](**TEXT),
        vision_config={**vision, "num_visual_indicator_tokens": 5},
        image_token_id=IMAGE_ID,
        visual_indicator_token_ids=[5, 6, 7, 8, 9],
        vocab_size=VOCABULARY,
        hidden_size=SIZES["hidden_size"],
    )


def ovis2_processor() -> Any:
    marks = ("<IMG_START>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>", "<IMG_END>", IMAGE)
    return Ovis2Processor(
        Ovis2ImageProcessor(size=others.EDGE, crop_to_patches=True, max_patches=2),
        tokenizer(*marks, image="<IMG_ATOM>", bos=False),
        image_seq_length=4,
        chat_template=chat_template(IMAGE + "\n", "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"),
    )


def deepseek_vl_config() -> Any:
    text = CONFIG_MAPPING["llama"](**TEXT)
    return CONFIG_MAPPING["deepseek_vl"](text_config=text, vision_config=llava.siglip(), image_token_id=IMAGE_ID)


def deepseek_vl_processor() -> Any:
    return DeepseekVLProcessor(
        DeepseekVLImageProcessor(size=SQUARE),
        tokenizer(named={"image_token": IMAGE}),
        num_image_tokens=4,
        chat_template=chat_template(IMAGE, "User: ", "\n\nAssistant:"),
    )


def janus_config() -> Any:
    """Its second part, which draws pictures, as small as it can be."""
    vision = {name: value for name, value in VISION.items() if name != "intermediate_size"}
    drawing = {"embed_dim": 8, "num_embeddings": 16, "latent_channels": 32, "base_channels": 32}
    drawing |= {"channel_multiplier": [1, 1], "num_res_blocks": 1, "num_patches": 2, "image_token_embed_dim": 32}
    return CONFIG_MAPPING["janus"](
        text_config=CONFIG_MAPPING["llama"](**TEXT),
        vision_config={**vision, "projection_dim": 32, "num_image_tokens": 4},
        vq_config={**drawing, "projection_dim": 32},
        image_token_id=IMAGE_ID,
    )


def janus_processor() -> Any:
    image = "<image_placeholder>"
    named = {"image_token": image, "boi_token": "<begin_of_image>", "eoi_token": "<end_of_image>"}
    return JanusProcessor(
        JanusImageProcessor(size=SQUARE),
        tokenizer(image=image, named=named),
        num_image_tokens=4,
        chat_template=chat_template(image + "\n", "<|User|>: ", "\n\n<|Assistant|>:"),
    )


def llama4_config() -> Any:
    """Every other layer has experts."""
    text = {"head_dim": 8, "intermediate_size_mlp": 64, "num_local_experts": 2, "interleave_moe_layer_step": 2}
    vision = {
        **VISION,
        "image_size": 56,
        "intermediate_size": 128,
        "vision_output_dim": 32,
        "projector_input_dim": 32,
        "projector_output_dim": 32,
    }
    ids = {"image_token_index": IMAGE_ID, "boi_token_index": 5, "eoi_token_index": 6}
    return CONFIG_MAPPING["llama4"](text_config={**TEXT, **text}, vision_config=vision, **ids)


def llama4_processor() -> Any:
    own = ("<|image_start|>", "<|image_end|>", "<|image|>", "<|tile_x_separator|>", "<|tile_y_separator|>")
    turns = ("<|header_start|>user<|header_end|>\n\n", "<|eot|><|header_start|>assistant<|header_end|>\n\n")
    return Llama4Processor(
        Llama4ImageProcessor(size=others.EDGE, max_patches=2),
        tokenizer(*own, image="<|patch|>"),
        patch_size=14,
        chat_template=chat_template("<|image|>", *turns, BOS),
    )


def llama4_inputs(processor: Any, prompt: str, picture: Image.Image | None) -> Any:
    """Its processor makes pixels of bfloat16."""
    return user_inputs(processor, prompt, picture).to(torch.float32)


def idefics2_config() -> Any:
    resampler = {"hidden_size": 32, "resampler_n_latents": 4, "resampler_depth": 1, "resampler_n_heads": 4}
    return CONFIG_MAPPING["idefics2"](
        text_config={**TEXT, "model_type": "mistral"},
        vision_config={**VISION, "image_size": 56},
        perceiver_config={**resampler, "resampler_head_dim": 8, "num_key_value_heads": 2},
        image_token_id=IMAGE_ID,
    )


def idefics2_processor() -> Any:
    images = Idefics2ImageProcessor(size={"shortest_edge": 28, "longest_edge": 56}, do_image_splitting=False)
    words = tokenizer("<fake_token_around_image>", "<end_of_utterance>")
    return Idefics2Processor(images, words, image_seq_len=4, chat_template=others.IDEFICS_TEMPLATE)


def llava_next_video_config() -> Any:
    parts = {"text_config": CONFIG_MAPPING["llama"](**TEXT), "vision_config": llava.clip()}
    ids = {"image_token_index": IMAGE_ID, "video_token_index": VIDEO_ID}
    return CONFIG_MAPPING["llava_next_video"](**parts, **ids, image_grid_pinpoints=llava.PINPOINTS)


def llava_next_video_processor() -> Any:
    size = {"size": {"shortest_edge": 28}, "crop_size": SQUARE}
    return LlavaNextVideoProcessor(
        LlavaNextVideoVideoProcessor(**size),
        LlavaNextImageProcessor(**size, image_grid_pinpoints=llava.PINPOINTS),
        tokenizer(),
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=chat_template(),
    )


FAMILIES = (
    Family("gemma4_unified", gemma4_unified_config, gemma4_unified_processor, pictures=qwen.PICTURES, slow=True),
    Family("llama4", llama4_config, llama4_processor, inputs=llama4_inputs, pictures=others.TILED),
    Family("ovis2", ovis2_config, ovis2_processor, pictures=others.TILED),
    Family("deepseek_vl", deepseek_vl_config, deepseek_vl_processor, slow=True),
    Family("idefics2", idefics2_config, idefics2_processor, pictures=others.TILED, slow=True),
    Family("llava_next_video", llava_next_video_config, llava_next_video_processor, pictures=llava.TILED, slow=True),
    Family("janus", janus_config, janus_processor, slow=True),
    Family("glm46v", glm46v_config, glm46v_processor, pictures=qwen.PICTURES, slow=True),
    Family("glm4v_moe", glm4v_moe_config, others.glm4v_processor, pictures=qwen.PICTURES, slow=True),
    Family(
        "qwen3_5_moe",
        qwen.qwen3_5_moe,
        qwen.qwen3_processor,
        pictures=qwen.PICTURES,
        prepare=louder_attention,
        slow=True,
    ),
)
