"""Qwen2-VL in demo size: patches merged two by two, multimodal rotary positions."""

from __future__ import annotations

from typing import Any, Final

from torch import Tensor, nn
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from pid_lvlm.extract.training.demo.sizes import ModelSize
from pid_lvlm.extract.training.demo.tokenizer import Marks, chat_template

MODEL: Final = Qwen2VLForConditionalGeneration
_START, _END, _VIDEO = "<|vision_start|>", "<|vision_end|>", "<|video_pad|>"
_TURN, _STOP = "<|im_start|>", "<|im_end|>"
MARKS: Final = Marks(
    begin=None,
    end=_STOP,
    image="<|image_pad|>",
    template=chat_template(
        user=f"{_TURN}user\n",
        user_end=f"{_STOP}\n",
        assistant=f"{_TURN}assistant\n",
        end=f"{_STOP}\n",
        picture=f"{_START}<|image_pad|>{_END}",
    ),
    words=("user", "assistant"),
    more=(_TURN, _START, _END, _VIDEO),
)
MERGE: Final = 2
"""Patches per side that are merged into one token."""


def make_config(size: ModelSize, tokenizer: PreTrainedTokenizerFast) -> Qwen2VLConfig:
    """Configuration of a model.

    Args:
        size: Shape of the model.
        tokenizer: The tokenizer it will read with.
    """
    half = size.hidden // size.heads // 2
    sections = [half - 2 * (half // 3), half // 3, half // 3]
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": size.hidden,
        "intermediate_size": size.intermediate,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.heads,
        "max_position_embeddings": tokenizer.model_max_length,
        "initializer_range": size.init_std,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": sections},
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = {
        "depth": size.vision_layers,
        "embed_dim": size.vision_hidden,
        "hidden_size": size.hidden,
        "num_heads": size.vision_heads,
        "mlp_ratio": 2,
        "patch_size": size.patch_size // MERGE,
        "spatial_merge_size": MERGE,
        "initializer_range": size.init_std,
    }
    ids = {
        name: tokenizer.convert_tokens_to_ids(token)
        for name, token in (
            ("image_token_id", MARKS.image),
            ("video_token_id", _VIDEO),
            ("vision_start_token_id", _START),
            ("vision_end_token_id", _END),
        )
    }
    return Qwen2VLConfig(
        text_config=text, vision_config=vision, tie_word_embeddings=False, initializer_range=size.init_std, **ids
    )


def make_processor(size: ModelSize, tokenizer: PreTrainedTokenizerFast) -> Qwen2VLProcessor:
    """The processor that belongs to a model, on the Pillow back end.

    Args:
        size: Shape of the model.
        tokenizer: Its tokenizer.
    """
    patch = size.patch_size // MERGE
    area = size.image_size**2
    images = Qwen2VLImageProcessorPil(
        patch_size=patch,
        merge_size=MERGE,
        size={"shortest_edge": area, "longest_edge": area},
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
    )
    return Qwen2VLProcessor(images, tokenizer, Qwen2VLVideoProcessor(patch_size=patch), chat_template=MARKS.template)


def patch_states(model: Any, inputs: dict[str, Tensor]) -> Tensor:
    """States of the patches of pictures, shape (pictures, patches, dimensions)."""
    grid = inputs["image_grid_thw"]
    states: Tensor = model.model.visual(inputs["pixel_values"], grid_thw=grid).last_hidden_state
    return states.reshape(len(grid), -1, states.shape[-1])


def vision(model: Any) -> list[nn.Parameter]:
    """Weights of the vision tower without its merger."""
    tower = model.model.visual
    merger = {id(weight) for weight in tower.merger.parameters()}
    return [weight for weight in tower.parameters() if id(weight) not in merger]
