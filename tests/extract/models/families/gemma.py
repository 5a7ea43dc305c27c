"""PaliGemma, Gemma-3, Gemma-3n and Gemma-4."""

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from transformers import (
    CONFIG_MAPPING,
    Gemma3ImageProcessor,
    Gemma3nAudioFeatureExtractor,
    Gemma3nProcessor,
    Gemma3Processor,
    Gemma4AudioFeatureExtractor,
    Gemma4ImageProcessor,
    Gemma4Processor,
    Gemma4VideoProcessor,
    PaliGemmaProcessor,
    SiglipImageProcessor,
)

from pid_lvlm.extract.models.adapters.base import Adapter
from tests.extract.models.families.llava import siglip
from tests.extract.models.families.tiny import (
    BOS,
    IMAGE_ID,
    SIZES,
    TEXT,
    VIDEO_ID,
    VISION,
    VOCABULARY,
    chat_template,
    on_device,
    tokenizer,
)

WORDS = {**TEXT, "head_dim": 8}
LAYERS = ["sliding_attention", "full_attention", "sliding_attention"]
"""With a window of 8 tokens everywhere, the end of the prompt would see neither picture nor question."""

BOI, EOI, AUDIO, BOA, EOA = "<boi>", "<eoi>", "<audio>", "<boa>", "<eoa>"
AUDIO_ID = 7
TURNS = ("<start_of_turn>user\n", "<end_of_turn>\n<start_of_turn>model\n")


def gemma_tokenizer(image: str, audio: bool = False) -> Any:
    named = {"boi_token": BOI, "eoi_token": EOI, "image_token": image}
    if audio:
        named |= {"audio_token": AUDIO, "boa_token": BOA, "eoa_token": EOA}
    return tokenizer(BOI, EOI, AUDIO, image=image, video="<|video|>", named=named)


def gemma3_config() -> Any:
    return CONFIG_MAPPING["gemma3"](
        text_config={**WORDS, "sliding_window": 8, "layer_types": LAYERS},
        vision_config={**VISION, "image_size": 56, "vision_use_head": False},
        image_token_id=IMAGE_ID,
        boi_token_index=5,
        eoi_token_index=6,
        mm_tokens_per_image=4,
    )


def gemma3_processor() -> Any:
    return Gemma3Processor(
        Gemma3ImageProcessor(size={"height": 56, "width": 56}),
        gemma_tokenizer("<image_soft_token>"),
        chat_template=chat_template(BOI, *TURNS, bos=BOS),
        image_seq_length=4,
    )


def gemma4_config(**text: Any) -> Any:
    words = {
        **WORDS,
        "num_hidden_layers": 4,
        "global_head_dim": 8,
        "sliding_window": 8,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "vocab_size_per_layer_input": VOCABULARY,
        "final_logit_softcapping": 30.0,
        **text,
    }
    vision = {
        **SIZES,
        "num_hidden_layers": 2,
        "num_key_value_heads": 4,
        "head_dim": 8,
        "patch_size": 4,
        "pooling_kernel_size": 2,
        "position_embedding_size": 64,
    }
    ids = {"image_token_id": IMAGE_ID, "video_token_id": VIDEO_ID, "audio_token_id": AUDIO_ID}
    return CONFIG_MAPPING["gemma4"](text_config=words, vision_config=vision, audio_config=None, **ids)


def gemma4_small() -> Any:
    """Per-layer inputs, and last layers that share keys and values: the form of E2B and E4B."""
    return gemma4_config(hidden_size_per_layer_input=8, num_kv_shared_layers=2)


def gemma4_large() -> Any:
    """Tokens of a picture see each other: the form of the larger models."""
    return gemma4_config(hidden_size_per_layer_input=0, num_kv_shared_layers=0, use_bidirectional_attention="vision")


def gemma4_processor() -> Any:
    return Gemma4Processor(
        Gemma4AudioFeatureExtractor(),
        Gemma4ImageProcessor(patch_size=4, pooling_kernel_size=2, max_soft_tokens=70),
        gemma_tokenizer("<|image|>", audio=True),
        Gemma4VideoProcessor(patch_size=4, pooling_kernel_size=2, max_soft_tokens=70),
        chat_template=chat_template("<|image|>", *TURNS, bos=BOS),
    )


def gemma3n_config() -> Any:
    """With a small network of timm in place of its MobileNet of 300 million parameters."""
    words = {
        **WORDS,
        "sliding_window": 8,
        "layer_types": LAYERS,
        "vocab_size_per_layer_input": VOCABULARY,
        "hidden_size_per_layer_input": 8,
        "altup_num_inputs": 2,
        "laurel_rank": 4,
        "num_kv_shared_layers": 0,
        "activation_sparsity_pattern": [0.0] * 3,
    }
    audio = {
        "hidden_size": 32,
        "vocab_size": 8,
        "vocab_offset": VOCABULARY + 8,
        "conf_num_attention_heads": 4,
        "conf_num_hidden_layers": 1,
        "sscp_conv_channel_size": [8, 4],
    }
    return CONFIG_MAPPING["gemma3n"](
        text_config=words,
        vision_config={
            "architecture": "test_resnet",
            "hidden_size": 96,
            "vocab_size": 8,
            "vocab_offset": VOCABULARY,
            "model_args": {},
        },
        audio_config=audio,
        image_token_id=IMAGE_ID,
        audio_token_id=AUDIO_ID,
        vision_soft_tokens_per_image=4,
    )


def gemma3n_prepare(model: Any) -> None:
    """The scale of the per-layer inputs starts at zero."""
    for layer in model.get_decoder().layers:
        torch.nn.init.normal_(layer.altup.correct_output_scale)


def gemma3n_processor() -> Any:
    return Gemma3nProcessor(
        Gemma3nAudioFeatureExtractor(),
        SiglipImageProcessor(size={"height": 64, "width": 64}),
        gemma_tokenizer("<image_soft_token>", audio=True),
        chat_template=chat_template("<image_soft_token>", *TURNS, bos=BOS),
        image_seq_length=4,
    )


def paligemma_config() -> Any:
    text = CONFIG_MAPPING["gemma2"](**WORDS, final_logit_softcapping=30.0)
    return CONFIG_MAPPING["paligemma"](
        text_config=text, vision_config=siglip(), image_token_id=IMAGE_ID, projection_dim=32
    )


def paligemma_processor() -> Any:
    images = SiglipImageProcessor(size={"height": 28, "width": 28})
    images.image_seq_length = 4
    return PaliGemmaProcessor(images, tokenizer(named={"image_token": "<image>"}))


def paligemma_inputs(processor: Any, prompt: str, picture: Image.Image | None) -> Any:
    """The processor writes BOS and the line break itself; without a picture the whole prompt is prefix."""
    if picture is not None:
        inputs = processor(text=[prompt.replace(BOS, "").rstrip("\n")], images=[picture], return_tensors="pt")
        inputs.pop("labels")
        return inputs
    ids = torch.tensor([processor.tokenizer.encode(prompt, add_special_tokens=False)])
    return {"input_ids": ids, "token_type_ids": torch.zeros_like(ids)}


def paligemma_continued(
    adapter: Adapter, prompts: Sequence[str], pictures: Sequence[Image.Image], text: str
) -> torch.Tensor:
    """An answer is a suffix, which the prompt does not see; the processor appends EOS to it."""
    bare = [prompt.replace(BOS, "").rstrip("\n") for prompt in prompts]
    inputs = adapter.processor(
        text=bare, images=list(pictures), suffix=[text] * len(bare), padding=True, return_tensors="pt"
    )
    inputs.pop("labels")
    return adapter.model(**on_device(inputs)).logits[:, -2:-1]
