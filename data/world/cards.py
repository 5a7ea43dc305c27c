"""Dataset cards: how to read a task's items, and their true atoms."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from pid_lvlm.data.world.exact import true_atoms
from pid_lvlm.data.world.tasks import Task

COLUMNS = ("id", "group", "image", "question", "options", "answer")


def card_text(task: Task) -> str:
    """The dataset card of a task.

    Args:
        task: The task.

    Returns:
        TOML text with the file, the column mapping, the prompt template and the true atoms in bits.
    """
    atoms = asdict(true_atoms(task))
    lines = [
        f'name = "demo-{task.name}"',
        f'file = "{task.name}.jsonl"',
        'prompt = "letters"',
        "",
        "[columns]",
        *(f'{column} = "{column}"' for column in COLUMNS),
        "",
        "# Bits. Computed exactly from the task's table of p(picture, question, answer) (true_atoms in data/world).",
        "[ground_truth]",
        *(f"{name} = {abs(round(atoms[name], 6))}" for name in atoms if name != "gap"),
    ]
    return "\n".join(lines) + "\n"


def write_card(task: Task, path: Path) -> None:
    """Write the dataset card of a task.

    Args:
        task: The task.
        path: File to write.
    """
    path.write_text(card_text(task), encoding="utf-8", newline="\n")
