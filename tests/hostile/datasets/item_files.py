"""What tests of dataset files have in common: an item that is right, and what is expected of one that is not."""

import io
import json
from pathlib import Path
from typing import Any

import polars as pl
from PIL import Image

from pid_lvlm.extract.config import DatasetSpec
from pid_lvlm.extract.datasets.errors import DatasetError
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.datasets.load import load_dataset
from pid_lvlm.extract.errors import UsageError
from tests.extract.console import assert_one_sentence, assert_readable, extract_command


def png(colour: int = 0, size: tuple[int, int] = (8, 8)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (colour, 0, 0)).save(file, "PNG")
    return file.getvalue()


ROW: dict[str, Any] = {"id": "1", "image": "p.png", "question": "what?", "options": ["x", "y"], "answer": "A"}
HEADER = b"id,image,question,A,B,answer\n"
LINE = b"1,p.png,what?,x,y,A\n"


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), "utf-8")
    return path


def refused(path: object, *parts: str, more: tuple[object, ...] = ()) -> None:
    """The command says so in one sentence, before it looks for the model."""
    out = Path(str(path)).parent / "runs"
    arguments = ("--model", "some/model", f"--data={path}", "--out", out, *more)
    result = extract_command(*arguments)
    assert_one_sentence(result, *parts)
    assert_readable(result[2])
    assert not out.exists()


def read(path: Path, **spec: Any) -> Dataset:
    return load_dataset(DatasetSpec(path, **spec))


def dataset_or_sentence(path: Path) -> Dataset | None:
    try:
        return read(path)
    except (DatasetError, UsageError) as error:
        assert_readable(str(error))
        return None


def parquet() -> bytes:
    content = io.BytesIO()
    image = {"bytes": png(), "path": None}
    pl.DataFrame([{**ROW, "image": image}, {**ROW, "id": "2", "image": image}]).write_parquet(content)
    return content.getvalue()
