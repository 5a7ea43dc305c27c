"""Families in which a source reaches the decoder by another road than its input embeddings."""

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import nn
from transformers import (
    BlipImageProcessor,
    InstructBlipConfig,
    InstructBlipProcessor,
    LlamaConfig,
    MllamaConfig,
    MllamaImageProcessor,
    MllamaProcessor,
    PreTrainedTokenizerFast,
    T5Config,
)
from transformers.models.instructblip.modeling_instructblip import BaseModelOutputWithVisionQformerOutputs

from pid_lvlm.extract.models.adapters.base import Adapter
from tests.extract.models.families.tiny import BOS, IMAGE_ID, SIZES, TEXT, VISION, Family, chat_template, tokenizer

TILES = 2
DEFAULT_ROPE = {"rope_type": "default", "rope_theta": 1e4}


def mllama_config() -> Any:
    """Layers 1 and 3 of four attend to the picture. A wide tower: its states are stacked before the projector."""
    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_global_layers": 1,
        "attention_heads": 4,
        "image_size": 28,
        "patch_size": 14,
        "max_num_tiles": TILES,
        "vision_output_dim": 64,
        "intermediate_layers_indices": [1],
        "supported_aspect_ratios": [[1, 1], [1, 2], [2, 1]],
    }
    text = {**TEXT, "num_hidden_layers": 4, "cross_attention_layers": [1, 3], "rope_parameters": DEFAULT_ROPE}
    return MllamaConfig(text_config=text, vision_config=vision, image_token_index=IMAGE_ID)


def mllama_processor() -> Any:
    images = MllamaImageProcessor(size={"height": 28, "width": 28}, max_image_tiles=TILES)
    return MllamaProcessor(
        images, tokenizer(named={"image_token": "<image>"}), chat_template=chat_template(image="<image>", bos=BOS)
    )


def mllama_gates(model: Any) -> None:
    """Half-open, or the picture drowns the text. Freshly initialised they are shut, and the picture is never seen."""
    for name, parameter in model.named_parameters():
        if name.endswith(("cross_attn_attn_gate", "cross_attn_mlp_gate")):
            nn.init.constant_(parameter, 0.3)


QUERIES = 4
QUESTION_SPECIAL = ("[PAD]", "[CLS]", "[SEP]", "[UNK]")


def instructblip_config() -> Any:
    return _instructblip(LlamaConfig(**TEXT))


def instructblip_t5_config() -> Any:
    """Two encoder and three decoder blocks, head apart from the embeddings as in Flan-T5."""
    text = T5Config(
        vocab_size=TEXT["vocab_size"],
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_decoder_layers=3,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        decoder_start_token_id=0,
    )
    return _instructblip(text)


def _instructblip(text: Any) -> Any:
    qformer = {
        **SIZES,
        "vocab_size": 300,
        "num_hidden_layers": 2,
        "encoder_hidden_size": 32,
        "max_position_embeddings": 256,
    }
    return InstructBlipConfig(
        text_config=text.to_dict(),
        vision_config=VISION,
        qformer_config=qformer,
        image_token_index=IMAGE_ID,
        num_query_tokens=QUERIES,
    )


def instructblip_processor() -> Any:
    images = BlipImageProcessor(size={"height": 28, "width": 28})
    return InstructBlipProcessor(images, tokenizer(), question_tokenizer(), num_query_tokens=QUERIES)


def question_tokenizer() -> PreTrainedTokenizerFast:
    """One token per byte between the marks of a BERT tokenizer."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate([*QUESTION_SPECIAL, *alphabet])}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    pad, cls, sep, unk = QUESTION_SPECIAL
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token=pad, cls_token=cls, sep_token=sep, unk_token=unk, padding_side="right"
    )


def instructblip_inputs(processor: Any, prompt: str, picture: Image.Image | None) -> dict[str, Any]:
    """Without a picture its forward wants encoded ones all the same: none of them, then."""
    if picture is not None:
        return dict(processor(text=[prompt], images=[picture], return_tensors="pt"))
    nothing = BaseModelOutputWithVisionQformerOutputs(pooler_output=torch.zeros(0))
    absent = {"pixel_values": None, "qformer_input_ids": None, "mm_encoder_outputs": {"image": nothing}}
    return {**processor.tokenizer([prompt], return_tensors="pt"), **absent}


def instructblip_t5_inputs(processor: Any, prompt: str, picture: Image.Image | None) -> dict[str, Any]:
    start = {"decoder_input_ids": torch.zeros(1, 1, dtype=torch.long)}
    return {**instructblip_inputs(processor, prompt, picture), **start}


def instructblip_continued(
    adapter: Adapter, prompts: Sequence[str], pictures: Sequence[Image.Image], text: str
) -> torch.Tensor:
    """A longer prompt for the language model; the Q-Former reads what it read before."""
    longer = adapter.encode([prompt + text for prompt in prompts], pictures)
    question = {name: value for name, value in adapter.encode(prompts, pictures).items() if name.startswith("qformer")}
    return adapter.forward({**longer, **question}, 1)


def instructblip_t5_continued(
    adapter: Adapter, prompts: Sequence[str], pictures: Sequence[Image.Image], text: str
) -> torch.Tensor:
    """An answer that begins with the text."""
    ids = adapter.tokenizer([text], add_special_tokens=False)["input_ids"][0]
    answers = torch.tensor([[0, *ids]] * len(prompts), device=adapter.device)
    return adapter.forward({**adapter.encode(prompts, pictures), "decoder_input_ids": answers}, 1)


def wide_language(model: Any) -> None:
    """A language model that clearly attends to all of its prompt."""
    for parameter in model.language_model.parameters():
        if parameter.ndim >= 2:
            nn.init.normal_(parameter, std=0.3)


FAMILIES = (
    Family("mllama", mllama_config, mllama_processor, mllama_gates, pictures=((28, 28), (28, 56), (20, 24))),
    Family(
        "instructblip",
        instructblip_config,
        instructblip_processor,
        wide_language,
        inputs=instructblip_inputs,
        continued=instructblip_continued,
    ),
    Family(
        "instructblip_t5",
        instructblip_t5_config,
        instructblip_processor,
        wide_language,
        inputs=instructblip_t5_inputs,
        continued=instructblip_t5_continued,
    ),
)
