"""Granite 4 Vision, Molmo2, Phi-4-multimodal."""

from typing import Any

from transformers import (
    CONFIG_MAPPING,
    AutoModelForCausalLM,
    Granite4VisionProcessor,
    LlavaNextImageProcessor,
    Molmo2ImageProcessor,
    Molmo2Processor,
    Molmo2VideoProcessor,
    Phi4MultimodalFeatureExtractor,
    Phi4MultimodalImageProcessor,
    Phi4MultimodalProcessor,
)

from tests.extract.models.families.tiny import BOS, IMAGE_ID, TEXT, VISION, chat_template, tokenizer

CAUSAL = AutoModelForCausalLM
PINPOINTS = [[56, 112], [112, 56], [112, 112]]
TILED = ((56, 112), (112, 112))
SQUARE = ((56, 56),)
"""Phi-4's own batches change a picture beside one of another shape."""


def granite_config() -> Any:
    """Vision states are 64 wide: the projector has one attention head for every 64."""
    vision = {**VISION, "hidden_size": 64, "num_hidden_layers": 3, "image_size": 56}
    return CONFIG_MAPPING["granite4_vision"](
        text_config={**TEXT, "num_hidden_layers": 4, "embedding_multiplier": 3.0, "logits_scaling": 2.0},
        vision_config=CONFIG_MAPPING["siglip_vision_model"](**vision, vision_use_head=False),
        image_token_index=IMAGE_ID,
        image_grid_pinpoints=PINPOINTS,
        downsample_rate="1/2",
        deepstack_layer_map=[[1, 0], [2, 1]],
        spatial_target_layers=[2],
        vision_feature_select_strategy="full",
        projector_dropout=0.0,
    )


def granite_processor() -> Any:
    square = {"height": 56, "width": 56}
    return Granite4VisionProcessor(
        LlavaNextImageProcessor(size={"shortest_edge": 56}, crop_size=square, image_grid_pinpoints=PINPOINTS),
        tokenizer(bos=False),
        patch_size=14,
        vision_feature_select_strategy="full",
        downsample_rate="1/2",
        chat_template=chat_template(),
    )


MOLMO = ("<im_start>", "<im_end>", "<im_col>", "<low_res_im_start>", "<frame_start>", "<frame_end>", "<im_low>")


def molmo2_config() -> Any:
    text = {name: value for name, value in TEXT.items() if name != "vocab_size"}
    vision = {**VISION, "num_key_value_heads": 4, "head_dim": 8, "image_size": [28, 28]}
    adapter = {
        "vision_feature_layer": [-1],
        "hidden_size": 32,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "head_dim": 8,
        "intermediate_size": 64,
        "text_hidden_size": 32,
    }
    return CONFIG_MAPPING["molmo2"](
        text_config={**text, "vocab_size": TEXT["vocab_size"], "additional_vocab_size": 8, "head_dim": 8},
        vision_config=vision,
        adapter_config=adapter,
        image_patch_id=IMAGE_ID,
        image_start_token_id=5,
        image_end_token_id=6,
        low_res_image_start_token_id=8,
        frame_start_token_id=9,
        frame_end_token_id=10,
    )


def molmo2_processor() -> Any:
    images = Molmo2ImageProcessor(size={"height": 28, "width": 28}, max_crops=2, overlap_margins=[0, 0])
    return Molmo2Processor(
        images,
        Molmo2VideoProcessor(size={"height": 28, "width": 28}),
        tokenizer(*MOLMO, "<|image|>", image="<im_patch>", video="<|video|>"),
        chat_template=chat_template("<|image|>", bos=BOS),
    )


def phi4_config() -> Any:
    """In its real resolution: the processor counts tokens for this one alone."""
    vision = {**VISION, "image_size": 448, "crop_size": 448, "image_token_id": IMAGE_ID}
    audio = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_blocks": 1,
        "num_attention_heads": 4,
        "ext_pw_out_channel": 32,
        "depthwise_separable_out_channel": 32,
        "nemo_conv_channels": 32,
        "audio_token_id": 5,
    }
    return CONFIG_MAPPING["phi4_multimodal"](**TEXT, vision_config=vision, audio_config=audio)


def phi4_processor() -> Any:
    words = tokenizer("<|endoftext11|>", named={"image_token": "<image>", "audio_token": "<|endoftext11|>"})
    words.chat_template = (
        "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    images = Phi4MultimodalImageProcessor(dynamic_hd=1)
    return Phi4MultimodalProcessor(images, Phi4MultimodalFeatureExtractor(), words)
