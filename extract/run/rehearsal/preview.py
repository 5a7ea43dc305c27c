"""`--preview N`: the first items as a model would see them, as text and pictures. Loads no weights."""

import re
from pathlib import Path
from typing import Final

from PIL import Image

from pid_lvlm.data.errors import OutputExistsError
from pid_lvlm.data.files import write_atomic
from pid_lvlm.extract.config import ExtractionConfig
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.measure.encode import item_picture, prepared
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.prompts.prompt_plan import Plan, PlannedItem, make_plan
from pid_lvlm.extract.prompts.templates import template_name
from pid_lvlm.extract.run.contents.run_folder import PREVIEW_FILE
from pid_lvlm.extract.run.rehearsal.processed_image import received_picture

PICTURE_FILE: Final = re.compile(r"\d{3,}\.png")
SPAN_MARKS: Final = ("⟦", "⟧")
"""Marks around the language span, source 2; they occur in no known prompt."""


def write_preview(adapter: Adapter, dataset: Dataset, config: ExtractionConfig, folder: Path) -> str:
    """Write a preview of every item of `dataset`; returns the text, which is also written to the folder.

    Args:
        adapter: a model, with or without weights.
        dataset: the items.
        config: prompt template and language span.
        folder: created if needed.
    """
    template = template_name(config, dataset)
    plan = make_plan(adapter, dataset, template, config.language_span, config.letters)
    pictures: dict[Path, Image.Image] = {}
    parts = [f"{folder}: prompt template `{template}`, source 2 between {' and '.join(SPAN_MARKS)}\n"]
    parts += ["\n".join(dataset.rows.lines(len(plan.items))) + "\n"]
    parts += [f"note: {note}\n" for note in dataset.notes]
    for number, planned in enumerate(plan.items, start=1):
        file = folder / f"{number:03d}.png"
        text, pictures[file] = _describe(adapter, plan, planned, file.name)
        parts.append(text)
    text = "\n".join(parts)
    _clear(folder)
    for file, picture in pictures.items():
        picture.save(file, "PNG")
    write_atomic(folder / PREVIEW_FILE, text.encode())
    return text


def _describe(adapter: Adapter, plan: Plan, planned: PlannedItem, picture_file: str) -> tuple[str, Image.Image]:
    """Text of one item, and the picture to save under the name mentioned in the text."""
    item = planned.item
    original = item_picture(item)
    inputs = prepared(adapter, adapter.process, [planned], [original])
    visual = int(adapter.visual_mask(inputs).sum())
    received = received_picture(adapter.processor.image_processor, inputs)
    shown = original if received is None else received
    how = "as the model receives it" if received is not None else "as it was before the processor split it"
    sizes = f"{_size(original)}, {visual} visual tokens; {picture_file} shows it {how}, {_size(shown)}"
    right = "unknown" if item.label < 0 else f"{item.letters[item.label]} {item.options[item.label]!r}"
    text = "\n".join(
        [
            f"--- item {item.id!r} (row {item.row}), group {item.group!r}, right answer {right}",
            marked_prompt(adapter, planned),
            f"--- without picture: {planned.text_only_prompt!r}",
            f"--- letters: {plan.candidates.listed(item.letters)}",
            f"--- picture: {sizes}",
            "",
        ]
    )
    return text, shown


def marked_prompt(adapter: Adapter, planned: PlannedItem) -> str:
    """The prompt decoded from its tokens, with marks around the language span."""
    ids = adapter.tokenize([planned.prompt])[0]
    start, end = planned.span.bounds(len(ids))
    before, span, after = (adapter.decode(part) for part in (ids[:start], ids[start:end], ids[end:]))
    return f"{before}{SPAN_MARKS[0]}{span}{SPAN_MARKS[1]}{after}"


def _size(picture: Image.Image) -> str:
    return f"{picture.width} × {picture.height}"


def check_folder(folder: Path) -> None:
    """Check the folder: an earlier preview may be replaced, nothing else.

    Raises:
        OutputExistsError: the folder contains something else.
    """
    if not folder.exists():
        return
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else {folder.name}
    if any(name != PREVIEW_FILE and not PICTURE_FILE.fullmatch(name) for name in names):
        message = f"`{folder}` contains something other than a preview; choose another --out"
        raise OutputExistsError(message)


def _clear(folder: Path) -> None:
    """Empty a folder in which `check_folder` found at most an earlier preview."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
