"""Build a LLaVA of any size with its processor, and save both as a checkpoint folder."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import torch
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from pid_lvlm.extract.training.config import ModelSize


def build_model(size: ModelSize, tokenizer: PreTrainedTokenizerFast, seed: int = 0) -> LlavaForConditionalGeneration:
    """Build a model with random weights.

    Args:
        size: Shape of the model.
        tokenizer: The tokenizer it will read with.
        seed: Seed of the weights.

    Returns:
        The model in float32, in evaluation mode.
    """
    patches = (size.image_size // size.patch_size) ** 2
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
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        image_seq_length=patches,
        tie_word_embeddings=False,
        initializer_range=size.init_std,
    )
    torch.manual_seed(seed)
    return LlavaForConditionalGeneration(config).float().eval()


def build_processor(size: ModelSize, tokenizer: PreTrainedTokenizerFast, chat_template: str) -> LlavaProcessor:
    """Build the processor that belongs to a model.

    Args:
        size: Shape of the model.
        tokenizer: Its tokenizer.
        chat_template: Its chat template (jinja).

    Returns:
        A processor on the Pillow back end, so that torchvision is not needed.
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
        chat_template=chat_template,
    )


def parameter_count(model: torch.nn.Module) -> int:
    """Number of weights of a model.

    Args:
        model: The model.

    Returns:
        The count over all its parts.
    """
    return sum(weight.numel() for weight in model.parameters())


def save_checkpoint(model: LlavaForConditionalGeneration, processor: LlavaProcessor, folder: Path) -> None:
    """Save a checkpoint that the `Auto` classes load: weights in float16, configuration, processor, tokenizer.

    Args:
        model: The model; it is left as it is.
        processor: Its processor.
        folder: Folder to write.
    """
    folder.mkdir(parents=True, exist_ok=True)
    copy.deepcopy(model).half().save_pretrained(folder)
    processor.save_pretrained(folder)
    for path in folder.glob("*.json"):
        # Nothing in a shipped checkpoint may name the machine that made it.
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            for key in ("_name_or_path", "name_or_path"):
                content.pop(key, None)
            path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
