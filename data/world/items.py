"""Items of a task: pictures, questions and sampled answers, the same for the same seed."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pid_lvlm.data.world.pictures import draw, encode_png
from pid_lvlm.data.world.tasks import LETTERS, Question, Scene, Task

INSTRUCTION = "Answer with the option's letter from the given choices directly."


@dataclass(frozen=True)
class Item:
    """One multiple-choice item.

    Attributes:
        id: Unique name.
        group: Items with the same picture share it.
        scene: What the picture shows.
        question: Question and options.
        answer: The answer letter drawn from the task's table.
        png: The picture as the bytes of a PNG file.
    """

    id: str
    group: str
    scene: Scene
    question: Question
    answer: str
    png: bytes

    @property
    def image(self) -> str:
        """The picture as base64 text."""
        return base64.b64encode(self.png).decode("ascii")


def make_items(task: Task, count: int, seed: int = 0) -> list[Item]:
    """Draw items of a task.

    Cells of p(picture, question, letter) are sampled systematically: each occurs its expected number of times,
    rounded up or down, so that even a few hundred items have the table's frequencies. Their order is random.

    Args:
        task: The task.
        count: Number of items.
        seed: Seed of the draw; each task has its own stream.

    Returns:
        The items, in random order.
    """
    rng = np.random.default_rng([seed, zlib.crc32(task.name.encode())])
    cells = np.stack(np.unravel_index(_systematic(task.joint.ravel(), count, rng), task.joint.shape), axis=1)
    items = []
    for number, (scene, question, letter) in enumerate(cells[rng.permutation(count)]):
        png = encode_png(draw(task.scenes[scene], rng))
        name = f"{task.name}-{number:05d}"
        where = f"{name}-picture"
        items.append(Item(name, where, task.scenes[scene], task.questions[question], LETTERS[letter], png))
    return items


def _systematic(weights: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices drawn in proportion to their weights, evenly spaced from one random start."""
    points = (np.arange(count) + rng.uniform()) / count
    chosen = np.searchsorted(np.cumsum(weights / weights.sum()), points, side="right")
    return np.minimum(chosen, np.flatnonzero(weights)[-1])


def user_text(question: str, options: Sequence[str]) -> str:
    """The text a user would send: question, lettered options, instruction (prompt template `letters`).

    Args:
        question: The question.
        options: The options, in order.

    Returns:
        The text, one option per line.
    """
    lines = [f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False)]
    return "\n".join([question, *lines, INSTRUCTION])


def write_items(items: Iterable[Item], path: Path) -> None:
    """Write items as JSON lines with the columns id, group, image, question, options, answer.

    Args:
        items: The items.
        path: File to write.
    """
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for item in items:
            row = {"id": item.id, "group": item.group, "image": item.image}
            row |= {"question": item.question.text, "options": asdict(item.question)["options"]}
            file.write(json.dumps(row | {"answer": item.answer}) + "\n")
