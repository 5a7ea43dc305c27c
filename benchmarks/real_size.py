"""Write a checkpoint of the size of LLaVA-1.5-7B with random weights, and items for it: real speed without a download.

The tokenizer is trained on this project's pages (8000 tokens): prompts have about as many tokens as with a real one.
Example: python -m benchmarks.real_size --out DIR && pid-extract --model DIR/llava-7b --data DIR/items.jsonl --out runs
"""

import argparse
import json
import sys
from pathlib import Path

import pid_lvlm.extract.models.torchvision_compat  # noqa: F401  before transformers, which imports torchvision

# isort: split
import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import CONFIG_MAPPING, AutoModelForImageTextToText, CLIPImageProcessor, LlavaProcessor
from transformers import PreTrainedTokenizerFast as FastTokenizer

from pid_lvlm.extract.training.demo.llava import MARKS

VOCABULARY, PATCH = 32064, 14
PAGES = sorted(Path(__file__).parents[1].glob("docs/*.md"))


def train_tokenizer() -> FastTokenizer:
    """A byte-level BPE tokenizer with LLaVA's special tokens."""
    special = ["<unk>", "<s>", "</s>", MARKS.image, "<pad>"]
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    backend.train_from_iterator(
        (page.read_text(encoding="utf-8") for page in PAGES),
        trainers.BpeTrainer(vocab_size=8000, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    names = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    return FastTokenizer(tokenizer_object=backend, **names)


def write_checkpoint(folder: Path, layers: int, device: str) -> None:
    """Configuration as published for `llava-hf/llava-1.5-7b-hf`, with random weights, in bfloat16."""
    text = CONFIG_MAPPING["llama"](vocab_size=VOCABULARY, num_hidden_layers=layers)  # llama's defaults are 7B's sizes
    vision = CONFIG_MAPPING["clip_vision_model"](
        hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16, image_size=336,
        patch_size=PATCH, projection_dim=768,
    )  # fmt: skip
    config = CONFIG_MAPPING["llava"](text_config=text, vision_config=vision, image_token_id=3)
    torch.manual_seed(0)
    with torch.device(device):
        model = AutoModelForImageTextToText.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    square = {"height": 336, "width": 336}
    LlavaProcessor(
        CLIPImageProcessor(size={"shortest_edge": 336}, crop_size=square),
        train_tokenizer(),
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=MARKS.template,
    ).save_pretrained(folder)


def write_items(folder: Path, count: int, per_picture: int) -> None:
    """Questions of words from the pages, four options each, some for each picture of 640 x 480 pixels."""
    rng = np.random.default_rng(0)
    words = np.array(" ".join(page.read_text(encoding="utf-8") for page in PAGES).split())
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    rows = []
    for index in range(count):
        name = f"pictures/{index // per_picture}.jpg"
        if index % per_picture == 0:
            coarse = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8))
            coarse.resize((640, 480), Image.Resampling.BICUBIC).save(folder / name)
        question = " ".join(rng.choice(words, 16)) + "?"
        options = [f"{letter}{index} " + " ".join(rng.choice(words, 3)) for letter in "pqrs"]
        row = {"id": str(index), "image": name, "question": question, "options": options, "answer": "ABCD"[index % 4]}
        rows.append(json.dumps(row))
    (folder / "items.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Write both."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.real_size", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for `llava-7b` and `items.jsonl`")
    parser.add_argument("--items", type=int, default=512)
    parser.add_argument("--per-picture", type=int, default=1, help="questions about each picture")
    parser.add_argument(
        "--layers", type=int, default=32, help="fewer for a quick look; 0 writes only items, no checkpoint"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="draws the weights")
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    if given.layers:
        write_checkpoint(given.out / "llava-7b", given.layers, given.device)
    write_items(given.out, given.items, given.per_picture)
    print(given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
