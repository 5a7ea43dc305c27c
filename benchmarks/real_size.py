"""Write a checkpoint of a published size with random weights, and items for it: realistic speed without a download.

The tokenizer is trained on this project's pages (8000 tokens): prompts get about as many tokens as with a real one.
Example: python -m benchmarks.real_size --out DIR && pid-extract --model DIR/llava-7b --data DIR/items.jsonl --out runs
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.measuring.published_sizes import PAGES, SIZES


def write_items(folder: Path, count: int, per_picture: int) -> None:
    """Questions made of words from the pages, with four options each, several per picture of 640 x 480 pixels."""
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
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint and `items.jsonl`")
    parser.add_argument("--model", choices=SIZES, default="llava-7b", help="size, also the folder's name")
    parser.add_argument("--items", type=int, default=512)
    parser.add_argument("--per-picture", type=int, default=1, help="questions per picture")
    parser.add_argument(
        "--layers",
        type=int,
        help="layers of the language model, by default all; fewer for a quick look, with proportionally fewer in the "
        "vision tower (except for llava-7b); 0 writes only items, no checkpoint",
    )
    parser.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", help="device that draws the weights"
    )
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    size = SIZES[given.model]
    layers = size.layers if given.layers is None else given.layers
    if layers:
        size.write(given.out / given.model, layers, given.device)
    write_items(given.out, given.items, given.per_picture)
    print(given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
