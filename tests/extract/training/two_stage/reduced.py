"""LLaVA-1.5 at reduced width: its two parts as folders, its data as published, its recipe with fewer steps.

Real are the structure (CLIP with 24 x 24 patches of 14 pixels, a Llama of several layers, here with grouped queries, a
tokenizer of 32,000 pieces that falls back on bytes) and the files' form; small are widths and numbers of layers.
"""

import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaTokenizer,
)

from pid_lvlm.extract.training.two_stage.recipe import SHIPPED
from tests import ROOT

PIECES, SIDE, PATCH = 32_000, 336, 14
FOLDERS = ("coco/train2017", "gqa/images", "ocr_vqa/images", "textvqa/train_images", "vg/VG_100K")
SIZES = ((640, 480), (333, 500), (336, 336), (500, 375), (90, 400))


def make_parts(folder: Path) -> None:
    """`language` and `vision` below a folder, as downloads of a Vicuna and of a CLIP would be."""
    torch.manual_seed(0)
    language = LlamaConfig(
        vocab_size=PIECES, hidden_size=64, intermediate_size=172, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=4096, rms_norm_eps=1e-5,
    )  # fmt: skip
    LlamaForCausalLM(language).save_pretrained(folder / "language")
    llama_tokenizer().save_pretrained(folder / "language")
    vision = CLIPVisionConfig(
        hidden_size=64, intermediate_size=128, num_hidden_layers=4, num_attention_heads=4, image_size=SIDE,
        patch_size=PATCH, projection_dim=64,
    )  # fmt: skip
    CLIPVisionModel(vision).save_pretrained(folder / "vision")
    square = {"height": SIDE, "width": SIDE}
    CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=square).save_pretrained(folder / "vision")


@cache
def llama_tokenizer() -> LlamaTokenizer:
    """Of Llama's kind and size: three special tokens, 256 bytes, pieces learned from this project's pages."""
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    learned = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    learned.pre_tokenizer = pre_tokenizers.Metaspace()
    pages = sorted((ROOT / "docs").glob("*.md"))
    trainer = trainers.BpeTrainer(vocab_size=PIECES, special_tokens=special, show_progress=False)
    learned.train_from_iterator((page.read_text(encoding="utf-8") for page in pages), trainer)
    model = json.loads(learned.to_str())["model"]
    vocabulary = model["vocab"]
    vocabulary |= {f"▁unused{index}": index for index in range(len(vocabulary), PIECES)}
    return LlamaTokenizer(vocab=vocabulary, merges=[tuple(pair) for pair in model["merges"]])


def make_data(folder: Path, count: int = 24) -> None:
    """Both JSON files with their pictures, laid out as LLaVA's README says."""
    rng = np.random.default_rng(0)
    captions = []
    for index in range(count):
        name = f"{index % 3:05d}/{index:09d}.jpg"
        _picture(folder / "LLaVA-Pretrain" / "images" / name, SIZES[index % len(SIZES)], rng)
        asked = ("Describe it.\n<image>", "<image>\nWhat is this?")[index % 2]
        said = _turns(asked, f"a {_words(rng, 2)} picture of {_words(rng, 3 + index % 5)}")
        captions.append({"id": f"{index:09d}", "image": name, "conversations": said})
    _write(folder / "LLaVA-Pretrain" / "blip_laion_cc_sbu_558k.json", captions)
    _write(folder / "llava_v1_5_mix665k.json", [_instruction(folder, index, rng) for index in range(count)])


def _instruction(folder: Path, index: int, rng: np.random.Generator) -> dict:
    """One turn, several turns, or text only, as in the mixture."""
    if index % 4 == 3:  # ShareGPT's records: no picture, a key `model`, some begin with an answer to nothing
        said = _turns(
            f"{_words(rng, 4)}?", f"{_words(rng, 5)}.", "日本語 — naïve?", f"{_words(rng, 2)}\n\n1. {_words(rng, 3)}"
        )
        first = [{"from": "gpt", "value": "Hello!"}] if index % 8 == 7 else []
        return {"id": f"share{index}", "model": "", "conversations": [*first, *said]}
    name = f"{FOLDERS[index % len(FOLDERS)]}/{index:012d}.jpg"
    _picture(folder / name, SIZES[index % len(SIZES)], rng)
    turns = ["<image>\nWhat colour is it?\nAnswer the question using a single word or phrase.", "red"]
    for _ in range(index % 4):
        turns += [f"And the {_words(rng, 2)}?", f"The {_words(rng, 3)}, {index} of them."]
    return {"id": f"{index:012d}", "image": name, "conversations": _turns(*turns)}


def _turns(*said: str) -> list[dict[str, str]]:
    return [{"from": ("human", "gpt")[place % 2], "value": text} for place, text in enumerate(said)]


def _words(rng: np.random.Generator, count: int) -> str:
    return " ".join(rng.choice(["cat", "vivid", "tabletop", "glass", "of", "two", "blurred", "street", "sign"], count))


def _picture(path: Path, size: tuple[int, int], rng: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
    coarse.resize(size, Image.Resampling.BICUBIC).save(path)


def _write(path: Path, records: list[dict]) -> None:
    path.write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")


def recipe_text(steps: int) -> str:
    """The shipped recipe of LLaVA-1.5-7B with small batches, some steps, float32, and a rate at which stage 2 moves."""
    text = (SHIPPED / "llava-1.5-7b.toml").read_text(encoding="utf-8")
    for pattern, new in (
        (r'"lmsys/vicuna-7b-v1.5"', '"language"'),
        (r'"openai/clip-vit-large-patch14-336"', '"vision"'),
        (r'dtype = "bfloat16"', 'dtype = "float32"'),
        (r"device_batch = 16", "device_batch = 2"),
        (r"batch_size = \d+", "batch_size = 4"),
        (r"epochs = 1", f"steps = {steps}"),
        (r"learning_rate = 2e-5", "learning_rate = 2e-3"),
        (r"checkpoints = 4", "checkpoints = 1"),
    ):
        text, found = re.subn(pattern, new, text)
        assert found, pattern
    return text
