"""Tokens per second of `pid-train` and share of the device's peak, for both stages of a shipped LLaVA recipe.

The model has the recipe's sizes and random weights. Records are synthetic, made of words from this project's pages:
captions of about 13 words, and conversations of one to six turns, one in 17 without a picture. The first step of a
stage is not timed, nor is the last, after which a checkpoint is written (14 GB in bfloat16 at full size).
`share_of_peak` covers all operations that ran (matrix products, convolutions, attention), including padding and
recomputed states, counted in the first step; the peak is a product of large matrices in the same type.

Example: python -m benchmarks.train --json
On a CPU: python -m benchmarks.train --layers 4 --width 512 --vision-layers 4 --batch-size 4 --device-batch 2
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pid_lvlm.extract.models.torchvision_compat  # noqa: F401  before transformers, which imports torchvision

# isort: split
import numpy as np
import torch
from PIL import Image
from transformers import CLIPImageProcessor, CLIPVisionConfig, LlamaConfig
from transformers.utils import logging

from benchmarks.baselines.floor import matmul_peak, operations
from benchmarks.measuring.machine import describe_machine, peak_host_bytes, torch_device_name
from benchmarks.measuring.published_sizes import PAGES, PATCH, train_tokenizer
from pid_lvlm.data.errors import PidError
from pid_lvlm.extract.training.demo.llava import MARKS
from pid_lvlm.extract.training.two_stage.recipe import LANGUAGE, Lora, ModelChoice, Recipe, find_recipe, read_recipe
from pid_lvlm.extract.training.two_stage.speed import Speed
from pid_lvlm.extract.training.two_stage.stage_trainer import StageTrainer, Watch
from pid_lvlm.extract.training.two_stage.training import Prepared, prepare, run

SIZES = {"llava-1.5-7b": (4096, 11008, 32), "llava-1.5-13b": (5120, 13824, 40)}
"""Width, inner width and layers of the recipes' decoders."""
HEAD, VISION_WIDTH, VISION_HEAD, VOCABULARY = 128, 1024, 64, 32000
LIBRARIES = ("pid-lvlm", "torch", "transformers", "accelerate")
PICTURES = 64
TEXT_ALONE = 0.06
"""Share of LLaVA's 665 thousand instructions that have no picture."""


def write_parts(folder: Path, given: argparse.Namespace) -> None:
    """Configurations, tokenizer and processor of both parts; their weights are drawn later."""
    width, inner, layers = SIZES[given.recipe]
    scale = (given.width or width) / width
    text = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=round(width * scale),
        intermediate_size=round(inner * scale),
        num_hidden_layers=given.layers or layers,
        num_attention_heads=max(1, round(width * scale) // HEAD),
        max_position_embeddings=4096,
    )
    text.save_pretrained(folder / "language")
    train_tokenizer(MARKS.image, bos=True).save_pretrained(folder / "language")
    seen = max(VISION_HEAD, round(VISION_WIDTH * scale) // VISION_HEAD * VISION_HEAD)
    vision = CLIPVisionConfig(
        hidden_size=seen,
        intermediate_size=4 * seen,
        num_hidden_layers=given.vision_layers,
        num_attention_heads=seen // VISION_HEAD,
        image_size=336,
        patch_size=PATCH,
    )
    vision.save_pretrained(folder / "vision")
    square = {"height": 336, "width": 336}
    CLIPImageProcessor(size={"shortest_edge": 336}, crop_size=square).save_pretrained(folder / "vision")


def write_records(folder: Path, captions: int, instructions: int) -> None:
    """Both files in LLaVA's format, and shared pictures of 640 x 480 pixels."""
    rng = np.random.default_rng(0)
    words = np.array(" ".join(page.read_text(encoding="utf-8") for page in PAGES).replace("<image>", "").split())
    (folder / "pictures").mkdir()
    names = [f"{index}.jpg" for index in range(PICTURES)]
    for name in names:
        coarse = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8))
        coarse.resize((640, 480), Image.Resampling.BICUBIC).save(folder / "pictures" / name)

    def said(least: int, most: int) -> str:
        return " ".join(rng.choice(words, rng.integers(least, most)))

    def record(index: int, turns: list[str], *, picture: bool) -> dict[str, Any]:
        turns[0] = "<image>\n" * picture + turns[0]
        pairs = [{"from": ("human", "gpt")[place % 2], "value": text} for place, text in enumerate(turns)]
        image = {"image": names[index % PICTURES]} if picture else {}
        return {"id": str(index), **image, "conversations": pairs}

    captioned = [record(index, ["Describe it.", said(6, 20)], picture=True) for index in range(captions)]
    instructed = []
    for index in range(instructions):
        picture = rng.random() >= TEXT_ALONE
        pairs = rng.integers(1, 7)
        turns = [text for _ in range(pairs) for text in (said(6, 20), said(*((1, 40) if picture else (50, 200))))]
        instructed.append(record(index, turns, picture=picture))
    for name, records in (("captions.json", captioned), ("instructions.json", instructed)):
        (folder / name).write_text(json.dumps(records), encoding="utf-8")


def make_recipe(folder: Path, given: argparse.Namespace) -> Recipe:
    """The shipped recipe with the written parts and records, for some steps."""
    recipe = read_recipe(find_recipe(given.recipe))
    changed = {"steps": given.steps, "epochs": None, "checkpoints": 1, "images": str(folder / "pictures")}
    stages = []
    for stage, name in zip(recipe.stages, ("captions.json", "instructions.json"), strict=True):
        lora = Lora(given.lora, 2.0 * given.lora) if given.lora and LANGUAGE in stage.train else None
        batch = given.batch_size or stage.batch_size
        stages.append(replace(stage, data=str(folder / name), batch_size=batch, lora=lora, **changed))
    return replace(
        recipe,
        model=ModelChoice(language=str(folder / "language"), vision=str(folder / "vision"), random_weights=True),
        stages=tuple(stages),
        dtype=given.dtype or ("float32" if given.device == "cpu" else recipe.dtype),
        device_batch=given.device_batch or recipe.device_batch,
        resume_every=given.steps,
    )


@contextmanager
def counted_first_steps(found: list[int]) -> Iterator[None]:
    """Count the operations of each stage's first step into a list, one entry per stage."""
    original = StageTrainer.training_step

    def step(self: StageTrainer, *args: Any, **kwargs: Any) -> Any:
        if self.state.global_step:
            return original(self, *args, **kwargs)
        made: list[Any] = []
        if not getattr(self, "counted", False):
            self.counted = True
            found.append(0)
        found[-1] += operations(lambda: made.append(original(self, *args, **kwargs)))
        return made[0]

    StageTrainer.training_step = step
    try:
        yield
    finally:
        StageTrainer.training_step = original


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Train both stages and return the line to print.

    Raises:
        PidError: the sizes do not make a valid model, or the disk is too small.
    """
    with tempfile.TemporaryDirectory(dir=given.folder) as scratch:
        folder = Path(scratch)
        write_parts(folder, given)
        recipe = make_recipe(folder, given)
        write_records(folder, *(given.steps * stage.batch_size for stage in recipe.stages))
        prepared = prepare(recipe, 1)
        speeds: dict[str, list[Speed]] = {stage.name: [] for stage in recipe.stages}
        memory: dict[str, int] = {}

        def done(stage: str, step: int, steps: int, *_: Any) -> None:
            if given.device == "cuda":
                memory[stage] = torch.cuda.max_memory_allocated()
                if step == steps:
                    torch.cuda.reset_peak_memory_stats()

        watch = Watch(step=done, speed=lambda stage, speed: speeds[stage].append(speed))
        counted: list[int] = []
        workers = given.workers if given.workers is not None else 0 if given.device == "cpu" else 4
        with counted_first_steps(counted):
            run(prepared, folder / "out", watch, cpu=given.device == "cpu", workers=workers)
        lines = (folder / "out" / "losses.jsonl").read_text(encoding="utf-8").splitlines()
        losses = [json.loads(line) for line in lines]
    peak = matmul_peak(given.device, getattr(torch, recipe.dtype), given.repeat)
    stages = [
        stage_line(prepared, place, speeds[stage.name][-2], counted[place], peak)
        | {"losses": [row["loss"] for row in losses if row["stage"] == stage.name]}
        | {"peak_device_bytes": memory.get(stage.name)}
        for place, stage in enumerate(recipe.stages)
    ]
    return {
        "benchmark": "train",
        "recipe": given.recipe,
        "parameters": prepared.plans[0].total,
        "stages": [{**stage, "first_loss": stage["losses"][0], "last_loss": stage["losses"][-1]} for stage in stages],
        "matmul_peak_per_second": peak,
        "gradient_checkpointing": recipe.gradient_checkpointing,
        "lora_rank": given.lora,
        "peak_host_bytes": peak_host_bytes(),
        "device": torch_device_name(given.device),
        "dtype": recipe.dtype,
        **describe_machine(LIBRARIES),
    }


def stage_line(prepared: Prepared, place: int, speed: Speed, counted: int, peak: float) -> dict[str, Any]:
    """One stage's work and speed.

    Args:
        prepared: the training.
        place: index of the stage, from 0.
        speed: speed of the timed steps.
        counted: operations in its first step.
        peak: operations per second that the device can do.
    """
    plan = prepared.plans[place]
    per_record = counted / plan.batch.effective
    return {
        "name": plan.name,
        "parts": plan.parts,
        "trained": plan.trained,
        "steps": plan.steps,
        "timed_steps": speed.steps,
        "batch": asdict(plan.batch),
        "tokens_per_record": plan.tokens / plan.records,
        "tokens_per_second": speed.tokens_per_second,
        "samples_per_second": speed.records_per_second,
        "operations_per_sample": per_record,
        "share_of_peak": per_record * speed.records_per_second / peak,
    }


def main(arguments: list[str] | None = None) -> int:
    """Print the measurements."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", choices=SIZES, default="llava-1.5-7b")
    parser.add_argument("--layers", type=int, help="decoder layers; default: the model's")
    parser.add_argument("--width", type=int, help="decoder width, a multiple of 128; the tower's width shrinks with it")
    parser.add_argument("--vision-layers", type=int, default=24)
    parser.add_argument("--lora", type=int, metavar="RANK", help="train low-rank adapters in stage 2, to save memory")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--batch-size", type=int, help="records per step; default: the recipe's, 256 and 128")
    parser.add_argument("--device-batch", type=int, help="records on the device at once; default: the recipe's")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="default: the recipe's; float32 on a CPU")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--workers", type=int, help="processes that prepare pictures; default: 4, on a CPU 0")
    parser.add_argument("--folder", type=Path, help="folder for model, records and checkpoints, which are removed")
    parser.add_argument("--repeat", type=int, default=3, help="repetitions of the product that gives the peak")
    parser.add_argument("--json", action="store_true", help="one line instead of one field per line")
    given = parser.parse_args(arguments)
    if given.steps < 3:
        parser.error("--steps should be at least 3: the first and the last are not timed")
    if given.width is not None and (given.width < HEAD or given.width % HEAD):
        parser.error(f"--width should be a multiple of {HEAD}")
    logging.disable_progress_bar()
    try:
        found = measure(given)
    except PidError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(found, indent=None if given.json else 2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
