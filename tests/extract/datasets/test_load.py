"""Benchmark files: every way to write them, and a sentence for every way to get them wrong."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from pid_lvlm.extract.config import DatasetSpec
from pid_lvlm.extract.datasets.card import read_card
from pid_lvlm.extract.datasets.column_mapping import parse_mapping
from pid_lvlm.extract.datasets.errors import DatasetError, RowError
from pid_lvlm.extract.datasets.images import open_picture
from pid_lvlm.extract.datasets.load import load_dataset
from pid_lvlm.extract.datasets.sources.read_table import read_table
from pid_lvlm.extract.errors import UsageError

Rows = list[dict[str, Any]]
IMAGE = pl.Struct({"bytes": pl.Binary, "path": pl.String})
Write = Callable[[Rows], Path]


def test_jsonl(write_items: Write, rows: Rows) -> None:
    dataset = load_dataset(DatasetSpec(write_items(rows)))
    assert dataset.name == "toy"
    assert dataset.max_options == 4
    assert dataset.items[1].options == ("red", "green", "blue")
    assert [item.label for item in dataset.items[:3]] == [0, 1, 0]
    assert dataset.items[7].group == dataset.items[1].group == "picture-1.png"
    assert len(load_dataset(DatasetSpec(write_items(rows)), limit=3).items) == 3


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_tables_with_one_column_per_option(write_items: Write, rows: Rows, tmp_path: Path, kind: str) -> None:
    write_items(rows)
    table = [
        {"Q": row["question"], "pic": row["image"], "gt": row["answer"]}
        | {letter: row["options"][i] if i < len(row["options"]) else None for i, letter in enumerate("ABCD")}
        for row in rows
    ]
    path = tmp_path / f"table.{kind}"
    getattr(pl.DataFrame(table), f"write_{kind}")(path)
    mapping = parse_mapping("question=Q, image=pic, options=A|B|C|D, answer=gt")
    dataset = load_dataset(DatasetSpec(path, mapping))
    assert [item.options for item in dataset.items] == [tuple(row["options"]) for row in rows]
    assert [item.id for item in dataset.items[:2]] == ["1", "2"]
    assert [item.label for item in dataset.items[:3]] == [0, 1, 0]


def test_pictures_as_bytes_and_base64(write_items: Write, rows: Rows, tmp_path: Path) -> None:
    write_items(rows)
    raw = (tmp_path / "picture-0.png").read_bytes()
    text = base64.b64encode(raw).decode()
    path = tmp_path / "pictures.parquet"
    row = {"question": "what?", "options": ["x", "y"]}
    pl.DataFrame([{**row, "image": {"bytes": raw, "path": None}}]).write_parquet(path)
    assert load_dataset(DatasetSpec(path)).items[0].picture == raw
    for image in (text, f"data:image/png;base64,{text}"):
        (tmp_path / "pictures.jsonl").write_text(json.dumps({**row, "image": image}))
        item = load_dataset(DatasetSpec(tmp_path / "pictures.jsonl")).items[0]
        assert item.picture == raw
        assert item.label == -1


def test_cells_of_text_tables_are_texts(write_items: Write, rows: Rows, tmp_path: Path) -> None:
    """Numbers keep their digits, and `None` and `NA` are words; blanks around column names are none of theirs."""
    write_items(rows)
    path = tmp_path / "table.csv"
    path.write_text(" image , question,A,B ,answer\npicture-0.png,7,007,1.50,007\npicture-1.png,NA,010,None,\n")
    dataset = load_dataset(DatasetSpec(path))
    assert [(item.question, item.options, item.label) for item in dataset.items] == [
        ("7", ("007", "1.50"), 0),
        ("NA", ("010", "None"), -1),
    ]


def test_pictures_as_structs_with_a_path_and_in_lists(write_items: Write, rows: Rows, tmp_path: Path) -> None:
    """As the `datasets` library writes them: the bytes may be missing where there is a path."""
    write_items(rows)
    raw, path = (tmp_path / "picture-0.png").read_bytes(), tmp_path / "pictures.parquet"
    named, held = {"bytes": None, "path": "picture-0.png"}, {"bytes": raw, "path": "elsewhere.png"}
    row = {"question": "what?", "options": ["x", "y"]}
    for image, picture in ((named, tmp_path / "picture-0.png"), (held, raw), ([named], tmp_path / "picture-0.png")):
        pl.DataFrame([{**row, "image": image}]).write_parquet(path)
        assert load_dataset(DatasetSpec(path)).items[0].picture == picture
    pl.DataFrame([{**row, "image": {"bytes": None, "path": None}}], schema_overrides={"image": IMAGE}).write_parquet(
        path
    )
    with pytest.raises(DatasetError, match="row 1: no picture: expected a path, bytes or base64 text"):
        load_dataset(DatasetSpec(path))


@pytest.mark.parametrize(
    ("answer", "label"), [("b", 1), ("green", 1), (" Green ", 1), (1, 1), ("1", 1), (-1, -1), ("", -1)]
)
def test_ways_to_write_the_answer(write_items: Write, rows: Rows, answer: object, label: int) -> None:
    assert load_dataset(DatasetSpec(write_items([{**rows[0], "answer": answer}]))).items[0].label == label


def test_pictures_come_upright_and_rgb(tmp_path: Path) -> None:
    picture = Image.new("L", (4, 2), 10)
    exif = picture.getexif()
    exif[0x0112] = 6  # turned by 90 degrees
    picture.save(tmp_path / "turned.jpg", exif=exif)
    opened = open_picture(tmp_path / "turned.jpg")
    assert (opened.size, opened.mode) == ((2, 4), "RGB")
    with pytest.raises(RowError, match="not in a format that can be read"):
        open_picture(b"no picture at all")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"])
def test_one_picture_in_every_mode_is_one_picture(mode: str) -> None:
    """White on the left, black on the right, opaque."""
    picture = Image.new("L", (8, 4))
    picture.paste(255, (0, 0, 4, 4))
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture).astype(np.uint16) * 257)
    else:
        picture = picture.convert("RGB").convert(mode)
    file = io.BytesIO()
    picture.save(file, "TIFF" if mode in ("CMYK", "YCbCr") else "PNG")
    opened = open_picture(file.getvalue())
    assert opened.mode == "RGB"
    assert [opened.getpixel((x, 2)) for x in (0, 3, 4, 7)] == [(255,) * 3] * 2 + [(0,) * 3] * 2


def test_grey_of_16_bits_keeps_its_shades() -> None:
    file = io.BytesIO()
    Image.fromarray(np.array([[0, 30_000, 65_535]], dtype=np.uint16)).save(file, "PNG")
    assert [open_picture(file.getvalue()).getpixel((x, 0)) for x in range(3)] == [(0,) * 3, (117,) * 3, (255,) * 3]
    file = io.BytesIO()
    Image.new("F", (2, 2)).save(file, "TIFF")
    with pytest.raises(RowError, match=r"has 32-bit pixels \(mode F\) of unknown range; save it with 8"):
        open_picture(file.getvalue())


def broken(rows: Rows, **change: Any) -> Rows:
    return [rows[0], {**rows[1], **change}, *rows[2:]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": "gone.png"}, r"`toy.jsonl`, row 2: picture `gone.png` does not exist \(looked in .*--images"),
        ({"image": None}, "row 2: no picture"),
        ({"options": ["only"]}, "row 2: expected 2 to 26 options, found 1"),
        ({"options": ["x", "", "z"]}, "row 2: option B is empty but a later one is not"),
        ({"answer": "E"}, "row 2: the answer 'E' is not an option of the item; .*A 'red', B 'green', C 'blue'"),
        ({"answer": 3}, "row 2: the answer 3 is not an option"),
        ({"id": "item-0"}, r"row 2: id 'item-0' occurs twice \(first in row 1\)"),
        ({"question": " "}, r"row 2: the question \(column `question`\) is empty"),
    ],
)
def test_broken_items(write_items: Write, rows: Rows, change: dict[str, Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load_dataset(DatasetSpec(write_items(broken(rows, **change))))


def test_truncated_picture(write_items: Write, rows: Rows, tmp_path: Path) -> None:
    path = write_items(rows)
    picture = tmp_path / "picture-3.png"
    picture.write_bytes(picture.read_bytes()[:200])
    with pytest.raises(DatasetError, match="row 4: the picture `picture-3.png` is truncated or damaged"):
        load_dataset(DatasetSpec(path))


def test_every_problem_is_listed(write_items: Write, rows: Rows) -> None:
    rows[2]["options"] = ["only"]
    rows[4]["image"] = "gone.png"
    rows[6]["answer"] = "Z"
    with pytest.raises(DatasetError) as caught:
        load_dataset(DatasetSpec(write_items(rows)))
    assert [fault.row for fault in caught.value.faults] == [3, 5, 7]
    assert "(rows counted from 1)" in str(caught.value)


def test_unknown_columns(write_items: Write, rows: Rows) -> None:
    path = write_items(rows)
    with pytest.raises(
        DatasetError, match="no column `questoin`, which was given for `question`; did you mean `question`"
    ):
        load_dataset(DatasetSpec(path, {"question": "questoin"}))
    path = write_items([{("choice" if key == "options" else key): row[key] for key in row} for row in rows])
    with pytest.raises(DatasetError, match=r"no column for `options`; .*the file has `id`, `image`.*--columns"):
        load_dataset(DatasetSpec(path))
    with pytest.raises(UsageError, match="unknown field `awnser`; did you mean `answer`"):
        parse_mapping("awnser=gt")
    with pytest.raises(UsageError, match="is not field=column"):
        parse_mapping("question")


def test_files_that_are_none(tmp_path: Path) -> None:
    def message(name: str, content: str | None) -> str:
        if content is not None:
            (tmp_path / name).write_text(content)
        with pytest.raises(DatasetError) as caught:
            load_dataset(DatasetSpec(tmp_path / name))
        return str(caught.value)

    assert "the file does not exist" in message("gone.jsonl", None)
    assert "unknown kind `.jsonx`; did you mean `.json" in message("items.jsonx", "[]")
    assert "the file is empty" in message("empty.json", "[]")
    assert "expected a list of JSON objects" in message("numbers.json", "[1]")
    assert "is not JSON" in message("broken.json", "[{]")
    assert "the file is empty" in message("empty.jsonl", "\n")
    assert "the file is empty" in message("empty.csv", "")
    assert "row 2: is not JSON" in message("broken.jsonl", "{}\n{oops\n")
    assert "cannot be read" in message("broken.parquet", "not parquet")


def test_card(write_items: Write, rows: Rows, tmp_path: Path) -> None:
    write_items(rows)
    card = tmp_path / "card.toml"
    card.write_text(
        'name = "shop"\nfile = "toy.jsonl"\nsplit = "dev"\nprompt = "paper"\n[columns]\nquestion = "question"\n'
        "[ground_truth]\nredundancy = 0\nunique_vision = 0\nunique_language = 0.5\nsynergy = 1.5\n"
    )
    dataset = load_dataset(DatasetSpec(card))
    assert (dataset.name, dataset.split, dataset.prompt, dataset.file) == ("shop", "dev", "paper", "toy.jsonl")
    assert dataset.ground_truth == {"redundancy": 0, "unique_vision": 0, "unique_language": 0.5, "synergy": 1.5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fiel = 'x'", "unknown key `fiel`; did you mean `file`"),
        ("name = 'x'", "`file` is missing"),
        ("file = 'x'\n[ground_truth]\nsynergy = 1", "`ground_truth.redundancy` is missing"),
        ("file = 'x'\n[true]\nsynergy = 1", r"the table `\[true\]` is now called `\[ground_truth\]`"),
        ("file = ", "is not TOML"),
    ],
)
def test_broken_cards(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "card.toml").write_text(text)
    with pytest.raises(DatasetError, match=message):
        read_card(tmp_path / "card.toml")


def test_quoted_cells_of_a_tsv_may_hold_line_breaks(tmp_path):
    path = tmp_path / "items.tsv"
    path.write_text('index\tquestion\n1\t"first line\nsecond line"\n', encoding="utf-8")
    assert read_table(path).rows == ((1, {"index": "1", "question": "first line\nsecond line"}),)
