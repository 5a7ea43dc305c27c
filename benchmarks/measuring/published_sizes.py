"""Models of published sizes with random weights, real processors and any number of layers."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pid_lvlm.extract.models.torchvision_compat  # noqa: F401  before transformers, which imports torchvision

# isort: split
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    CONFIG_MAPPING,
    AutoModelForImageTextToText,
    CLIPImageProcessor,
    GotOcr2ImageProcessor,
    InternVLProcessor,
    InternVLVideoProcessor,
    LlavaOnevisionImageProcessor,
    LlavaOnevisionProcessor,
    LlavaOnevisionVideoProcessor,
    LlavaProcessor,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
)
from transformers import PreTrainedTokenizerFast as FastTokenizer

from pid_lvlm.extract.training.demo import qwen2_vl
from pid_lvlm.extract.training.demo.llava import MARKS
from pid_lvlm.extract.training.demo.tokenizer import chat_template

PAGES: Final = sorted(Path(__file__).parents[2].glob("docs/*.md"))
"""This project's text, used to train tokenizers."""
IMAGE_ID, VIDEO_ID, START_ID = 3, 4, 5
PATCH: Final = 14
HALF_BILLION: Final = {
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "vocab_size": 151936,
}
"""Qwen2-0.5B, whose 24 layers are the language model of the smallest LLaVA-OneVision and InternVL."""
TURN, STOP = "<|im_start|>", "<|im_end|>"


@dataclass(frozen=True)
class Published:
    """A model of a published size.

    Attributes:
        layers: layers of its language model.
        vision_layers: layers of its vision tower.
        config: its configuration, given the numbers of layers of the language model and the vision tower.
        processor: its processor.
        cut_vision: whether fewer layers of the language model also mean fewer in the vision tower.
    """

    layers: int
    vision_layers: int
    config: Callable[[int, int], Any]
    processor: Callable[[], Any]
    cut_vision: bool = True

    def write(self, folder: Path, layers: int, device: str) -> None:
        """Write a checkpoint with random weights in bfloat16.

        Args:
            folder: target folder.
            layers: layers of the language model; the vision tower is scaled in proportion.
            device: device that draws the weights.
        """
        share = round(self.vision_layers * layers / self.layers) if self.cut_vision else self.vision_layers
        torch.manual_seed(0)
        with torch.device(device):
            model = AutoModelForImageTextToText.from_config(self.config(layers, max(1, share)), dtype=torch.bfloat16)
        model.save_pretrained(folder)
        self.processor().save_pretrained(folder)


def train_tokenizer(*special: str, bos: bool = False, **named: str) -> FastTokenizer:
    """A byte-level BPE tokenizer with 8000 tokens; prompts get about as many tokens as with a real one.

    Args:
        special: special tokens, starting at `IMAGE_ID`.
        bos: whether texts start with `<s>`.
        named: special tokens that a processor asks the tokenizer for by name.
    """
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    everything = ["<unk>", "<s>", "</s>", *special, "<pad>"]
    backend.train_from_iterator(
        (page.read_text(encoding="utf-8") for page in PAGES),
        trainers.BpeTrainer(
            vocab_size=8000,
            special_tokens=everything,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    if bos:
        backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    names = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    return FastTokenizer(tokenizer_object=backend, **names, extra_special_tokens=named)


def _chat(picture: str) -> str:
    return chat_template(
        user=f"{TURN}user\n",
        user_end=f"{STOP}\n",
        assistant=f"{TURN}assistant\n",
        end=f"{STOP}\n",
        picture=picture,
    )


def _llava(layers: int, vision_layers: int) -> Any:
    text = CONFIG_MAPPING["llama"](vocab_size=32064, num_hidden_layers=layers)  # llama's defaults are 7B's sizes
    vision = CONFIG_MAPPING["clip_vision_model"](
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=vision_layers,
        num_attention_heads=16,
        image_size=336,
        patch_size=PATCH,
        projection_dim=768,
    )
    return CONFIG_MAPPING["llava"](text_config=text, vision_config=vision, image_token_id=IMAGE_ID)


def _llava_processor() -> Any:
    return LlavaProcessor(
        CLIPImageProcessor(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336}),
        train_tokenizer(MARKS.image, bos=True),
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=MARKS.template,
    )


def _onevision(layers: int, vision_layers: int) -> Any:
    vision = CONFIG_MAPPING["siglip_vision_model"](
        hidden_size=1152,
        intermediate_size=4304,
        num_hidden_layers=vision_layers,
        num_attention_heads=16,
        image_size=384,
        patch_size=PATCH,
        vision_use_head=False,
    )
    text = CONFIG_MAPPING["qwen2"](**HALF_BILLION, num_hidden_layers=layers, tie_word_embeddings=True)
    return CONFIG_MAPPING["llava_onevision"](
        text_config=text,
        vision_config=vision,
        image_token_id=IMAGE_ID,
        video_token_id=VIDEO_ID,
        tie_word_embeddings=True,
    )


def _onevision_processor() -> Any:
    return LlavaOnevisionProcessor(
        LlavaOnevisionImageProcessor(),
        train_tokenizer("<image>", "<video>", TURN, STOP),
        LlavaOnevisionVideoProcessor(),
        num_image_tokens=729,
        vision_feature_select_strategy="full",
        chat_template=_chat("<image>\n"),
    )


def _qwen(layers: int, vision_layers: int) -> Any:
    vision = {"depth": vision_layers, "hidden_size": 1280, "out_hidden_size": HALF_BILLION["hidden_size"]}
    return CONFIG_MAPPING["qwen2_5_vl"](
        text_config={
            **HALF_BILLION,
            "num_hidden_layers": layers,
            "tie_word_embeddings": True,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [8, 12, 12]},
        },
        vision_config={**vision, "fullatt_block_indexes": [vision_layers - 1]},
        image_token_id=IMAGE_ID,
        video_token_id=VIDEO_ID,
        vision_start_token_id=START_ID,
        vision_end_token_id=START_ID + 1,
        tie_word_embeddings=True,
    )


def _qwen_processor() -> Any:
    marks = qwen2_vl.MARKS
    start, end = "<|vision_start|>", "<|vision_end|>"
    return Qwen2_5_VLProcessor(
        Qwen2VLImageProcessor(patch_size=PATCH, merge_size=2),
        train_tokenizer(marks.image, "<|video_pad|>", start, end, TURN, STOP),
        Qwen2VLVideoProcessor(patch_size=PATCH),
        chat_template=marks.template,
    )


def _internvl(layers: int, vision_layers: int) -> Any:
    return CONFIG_MAPPING["internvl"](
        text_config=CONFIG_MAPPING["qwen2"](**HALF_BILLION, num_hidden_layers=layers, tie_word_embeddings=False),
        vision_config={"num_hidden_layers": vision_layers},  # the other defaults are InternViT-300M's
        image_token_id=IMAGE_ID,
        tie_word_embeddings=False,
    )


def _internvl_processor() -> Any:
    image, named = "<IMG_CONTEXT>", {"start_image_token": "<img>", "end_image_token": "</img>"}
    named |= {"context_image_token": image, "video_token": "<video>"}
    return InternVLProcessor(
        GotOcr2ImageProcessor(size={"height": 448, "width": 448}, crop_to_patches=True, max_patches=12),
        train_tokenizer(image, "<video>", "<img>", "</img>", TURN, STOP, **named),
        InternVLVideoProcessor(),
        chat_template=_chat(f"{image}\n"),
    )


SIZES: Final = {
    "llava-7b": Published(32, 24, _llava, _llava_processor, cut_vision=False),
    "onevision-0.5b": Published(24, 26, _onevision, _onevision_processor),
    "qwen2.5-vl-0.5b": Published(24, 32, _qwen, _qwen_processor),
    "internvl-1b": Published(24, 24, _internvl, _internvl_processor),
}
"""Sizes by the name of the checkpoint folder. There is no Qwen2.5-VL of this size: its vision tower is combined with
Qwen2-0.5B."""
