"""A tiny LLaVA and records of every kind, for tests of `pid-train`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tests import ROOT
from tests.extract.tiny_llava import save_tiny_llava

TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}USER: {% else %}ASSISTANT: {% endif %}"
    "{% for part in message['content'] if part['type'] == 'image' %}<image>\n{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}"
    "{% if message['role'] == 'user' %} {% else %}</s>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


def make_model(folder: Path, seed: int = 0) -> Path:
    save_tiny_llava(folder, seed)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder


def make_pictures(folder: Path, count: int = 4) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    names = [f"{index}.png" for index in range(count)]
    for name in names:
        Image.fromarray(generator.integers(0, 256, (16, 24, 3), dtype=np.uint8)).save(folder / name)
    return names


def record(number: int, *said: str, image: str | None = None) -> dict:
    """A record whose turns are of human and gpt in turn."""
    turns = [{"from": ("human", "gpt")[index % 2], "value": text} for index, text in enumerate(said)]
    return {"id": f"r{number}", **({} if image is None else {"image": image}), "conversations": turns}


def captions(pictures: list[str], count: int = 12) -> list[dict]:
    return [
        record(index, "<image>\nDescribe it.", f"shape {index % 3}", image=pictures[index % len(pictures)])
        for index in range(count)
    ]


def instructions(pictures: list[str], count: int = 12) -> list[dict]:
    """With one turn, several turns, and text only."""
    made = []
    for index in range(count):
        picture = pictures[index % len(pictures)]
        if index % 3 == 0:
            made.append(record(index, "What?\n<image>", "red", image=picture))
        elif index % 3 == 1:
            made.append(record(index, "<image>\nWhat?", "blue", "And how many?", f"{index} of them", image=picture))
        else:
            made.append(record(index, "Say a word.", "word" * (index % 4 + 1)))
    return made


def write(path: Path, records: list[dict]) -> Path:
    path.write_text(json.dumps(records), encoding="utf-8")
    return path


RECIPE = """
name = "small"
log_every = 1
resume_every = 100

[model]
checkpoint = "model"

[[stages]]
name = "align"
train = ["projector"]
data = "captions.json"
images = "pictures"
conversation = "plain"
learning_rate = 1e-2
warmup = 0.0
batch_size = 4
epochs = 1
checkpoints = 2

[[stages]]
name = "tune"
train = ["projector", "language"]
data = "chat.json"
images = "pictures"
conversation = "chat"
learning_rate = 2e-3
batch_size = 4
steps = 4
checkpoints = 2
held_out = 2
"""


def make_training(folder: Path, recipe: str = RECIPE) -> Path:
    """Everything that a small training needs; the path of its recipe."""
    folder.mkdir(parents=True, exist_ok=True)
    make_model(folder / "model")
    pictures = make_pictures(folder / "pictures")
    write(folder / "captions.json", captions(pictures))
    write(folder / "chat.json", instructions(pictures))
    path = folder / "recipe.toml"
    path.write_text(recipe, encoding="utf-8")
    return path


def train_in_two_processes(recipe: Path, out: Path) -> None:
    """Train as two local processes that share every step; one of them prints the result.

    Not by `accelerate launch --cpu --num_processes 2`: that starts one process.
    """
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m"]
    options = [str(recipe), "--out", str(out), "--device", "cpu", "--threads", "1", "--quiet", "--json"]
    done = subprocess.run(
        [*launch, "pid_lvlm.extract.training.two_stage.cli", *options],
        check=True,
        stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", "PYTHONPATH": str(ROOT)},
        timeout=500,
    )
    assert json.loads(done.stdout)["out"] == str(out)
    speeds = json.loads((out / "speed.json").read_text())
    assert {one["devices"] for one in speeds.values()} == {2}
