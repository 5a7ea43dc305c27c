"""What a target is, and the files that several of them begin with."""

import base64
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from tests import ROOT
from tests.hostile.fuzz import mutate

DEMO: Final = ROOT / "data" / "demo"


@dataclass(frozen=True)
class Target:
    """One parser.

    Attributes:
        seeds: file name -> valid content. A damaged file takes the place of the valid one.
        damage: how.
        parse: reads the file at a path.
    """

    seeds: Mapping[str, bytes]
    damage: mutate.Mutate
    parse: Callable[[Path], object]
    odd: tuple[str, ...] = ()
    """Files that are whole and may be refused all the same."""
    limited: bool = True
    """Whether address space is limited: the browser engine that draws figures reserves more than there is."""


PICTURE: Final = "picture.png"


def picture_bytes(folder: Path) -> bytes:
    from PIL import Image

    written = io.BytesIO()
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (6, 7, 3), dtype=np.uint8)).save(written, "png")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PICTURE).write_bytes(written.getvalue())
    return written.getvalue()


def item_rows(picture: bytes) -> list[dict[str, Any]]:
    encoded = base64.b64encode(picture).decode()
    return [
        {"id": f"i{i}", "image": PICTURE if i % 2 else encoded, "question": f"what is {i}?",
         "options": ["red", "green", "blue"], "answer": "ABC"[i % 3], "hint": "", "group": f"g{i}"}
        for i in range(4)
    ]  # fmt: skip


def items_file(folder: Path) -> Path:
    rows = item_rows(picture_bytes(folder))
    (folder / "items.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return folder / "items.jsonl"
