"""Items kept in a run folder: written, read back, and refused in a sentence where they are not what they should be."""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pid_lvlm import data
from pid_lvlm.data.bounds import THUMBNAIL, Bound
from pid_lvlm.data.contract.reading import items as reader
from pid_lvlm.data.contract.schema.item_records import ItemRecord, check_record, parse_line
from pid_lvlm.data.files import sha256
from pid_lvlm.data.names import ITEMS_FILE, MANIFEST_FILE, THUMBNAILS_FILE


def picture(colour: str, kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(file, kind)
    return file.getvalue()


RED, BLUE = picture("red", "JPEG"), picture("blue", "PNG")
QUESTIONS = ["which colour?", "und welche Farbe — 🟥?", "a\u2028line\nor two", "which?"]
OPTIONS = [["red", "blue"], ["rot", "blau", "grün"], ["a", "b"], ["1", "2"]]
GIVEN: dict[str, Any] = {"questions": QUESTIONS, "options": OPTIONS, "thumbnails": [RED, BLUE, RED, None]}


def write(folder: Path, **items: Any) -> Path:
    scores = np.full((4, 3, 3), -np.inf)
    scores[:, :, :2] = np.log(0.5)
    scores[1] = np.log(1 / 3)
    return data.write_run(
        folder, model="m", dataset="d", loglik=scores, x1=np.eye(4), x2=np.eye(4), label=[0, 2, -1, 1],
        sample_id=["a", "b", "c", "d"], **items,
    )  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write(tmp_path / "run", **GIVEN)


def reseal(run: Path, **contents: bytes) -> None:
    """Replace kept files and enter their checksums: what is wrong with them is then inside them."""
    fields = json.loads((run / MANIFEST_FILE).read_text())
    for name, content in {ITEMS_FILE: contents.get("items"), THUMBNAILS_FILE: contents.get("thumbnails")}.items():
        if content is not None:
            (run / name).write_bytes(content)
            fields["checksums"][name] = sha256(content)
    (run / MANIFEST_FILE).write_text(json.dumps(fields))


def zipped(contents: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return file.getvalue()


def test_items_come_back_as_they_were_given(run: Path) -> None:
    assert data.validate_run(run) == []
    items = data.read_items(run)
    assert list(items) == ["a", "b", "c", "d"]
    assert [item.question for item in items.values()] == QUESTIONS
    assert [item.options for item in items.values()] == [tuple(texts) for texts in OPTIONS]
    assert [item.label for item in items.values()] == [0, 2, -1, 1]
    assert [item.thumbnail for item in items.values()] == [RED, BLUE, RED, None]
    with zipfile.ZipFile(run / THUMBNAILS_FILE) as archive:
        assert archive.namelist() == ["000000.jpg", "000001.png"]  # equal ones once


def test_only_what_is_asked_for(run: Path) -> None:
    assert data.read_items(run, {"c", "elsewhere"}) == {"c": data.read_items(run)["c"]}
    assert data.read_items(run, []) == {}


def test_equal_items_give_equal_bytes(run: Path, tmp_path: Path) -> None:
    again = write(tmp_path / "again" / "run", **GIVEN)
    assert {path.name: path.read_bytes() for path in again.iterdir()} == {
        path.name: path.read_bytes() for path in run.iterdir()
    }


def test_a_run_that_kept_none_has_none(tmp_path: Path) -> None:
    run = write(tmp_path / "run")
    assert data.read_items(run) == {}
    assert sorted(path.name for path in run.iterdir()) == ["manifest.json", "shard-00000.npz"]


def test_text_alone(tmp_path: Path) -> None:
    run = write(tmp_path / "run", questions=QUESTIONS, options=OPTIONS)
    assert not (run / THUMBNAILS_FILE).exists()
    assert [item.thumbnail for item in data.read_items(run).values()] == [None] * 4


def test_an_estimate_and_read_run_do_not_look_at_them(run: Path) -> None:
    for name in (ITEMS_FILE, THUMBNAILS_FILE):
        (run / name).unlink()
    assert len(data.read_run(run)) == 4
    assert [fault.file for fault in data.validate_run(run)] == [ITEMS_FILE, THUMBNAILS_FILE]
    with pytest.raises(data.ContractError, match=f"`{ITEMS_FILE}`: missing; run the same pid-extract"):
        data.read_items(run)


ARGUMENTS: list[tuple[dict[str, Any], str]] = [
    ({"questions": QUESTIONS}, "argument `options`: missing, but `questions` is given"),
    ({"options": OPTIONS}, "argument `questions`: missing, but `options` is given"),
    ({"thumbnails": [None] * 4}, "argument `thumbnails`: needs `questions` and `options`"),
    (GIVEN | {"questions": QUESTIONS[:3]}, "argument `questions`: expected shape (4,), one text for each row, found 3"),
    (GIVEN | {"questions": "which?"}, "argument `questions`: expected 4 texts, found 'which?'"),
    (GIVEN | {"questions": ["a", "b", 3, "d"]}, "argument `questions`, row 2: expected text, found 3"),
    (GIVEN | {"questions": ["a", "b", "\ud800", "d"]}, "argument `questions`, row 2: expected text of at most 100,000"),
    (GIVEN | {"options": ["yes"] * 4}, "argument `options`, row 0: expected a list of texts"),
    (GIVEN | {"options": [["a", None]] * 4}, "argument `options`, row 0: expected text, found None"),
    (GIVEN | {"options": [["a", "b"]] * 4}, "argument `options`, row 1: expected 3 texts, one for each option"),
    (GIVEN | {"thumbnails": [RED]}, "argument `thumbnails`: expected shape (4,), one thumbnail for each row, found 1"),
    (GIVEN | {"thumbnails": [RED, "x", RED, RED]}, "argument `thumbnails`, row 1: expected the bytes of a JPEG"),
    (GIVEN | {"thumbnails": [RED, b"GIF89a", RED, RED]}, "argument `thumbnails`, row 1: is neither a JPEG nor a PNG"),
    (GIVEN | {"thumbnails": [RED + bytes(THUMBNAIL.most)] * 4}, "argument `thumbnails`, row 0: has 262,"),
]


@pytest.mark.parametrize(("items", "said"), ARGUMENTS)
def test_arguments_that_cannot_be_used(tmp_path: Path, items: dict[str, Any], said: str) -> None:
    with pytest.raises(data.RunArgumentsError) as caught:
        write(tmp_path / "run", **items)
    assert said in str(caught.value)
    assert not (tmp_path / "run").exists()


def lines(**changes: Any) -> bytes:
    """The run's lines, the second changed."""
    rows = [ItemRecord(s, q, tuple(o), n, picture=p).line() for s, q, o, n, p in ROWS]
    rows[1] = json.dumps(json.loads(rows[1]) | changes).encode() + b"\n"
    return b"".join(rows)


ROWS = list(zip("abcd", QUESTIONS, OPTIONS, [0, 2, -1, 1], [0, 1, 0, None], strict=True))
JPEGS = {"000000.jpg": RED, "000001.png": BLUE}

WRONG_ITEMS: list[tuple[bytes, str]] = [
    (b"", "has 0 lines, but the run has 4 samples"),
    (lines() + lines(), "has more than 4 lines, but the run has 4 samples"),
    (b"{\n" * 4, "row 0: is not JSON"),
    (b"[1]\n" * 4, "row 0: is not a JSON object with a `sample_id`"),
    (b"\xff\n" * 4, "row 0: is not UTF-8 text"),
    (lines(sample_id="a"), "row 1: is about 'a' again"),
    (lines(sample_id="z"), "row 1: is about 'z', but the shards have 'b' there"),
    (lines(label=1), "row 1: has `label` 1, but the shards have 2"),
    (lines(label=3), "row 1: `label` should be an option of the item or -1, found 3"),
    (lines(options=["a"]), "row 1: `options` should be a list of at least 2"),
    (lines(question=3), "row 1: `question` should be text, found 3"),
    (lines(picture=-1), "row 1: `picture` should be at least 0"),
    (lines(qestion=""), "row 1: unknown key `qestion`; did you mean `question`?"),
]


@pytest.mark.parametrize(("content", "said"), WRONG_ITEMS)
def test_lines_that_are_not_items(run: Path, content: bytes, said: str) -> None:
    reseal(run, items=content)
    faults = data.validate_run(run)
    assert faults[0].file == ITEMS_FILE
    assert said in str(faults[0])
    if "shards" not in said:
        with pytest.raises(data.ContractError) as caught:
            data.read_items(run)
        assert said in str(caught.value)


WRONG_THUMBNAILS: list[tuple[bytes, str]] = [
    (b"", "damaged or truncated"),
    (zipped(JPEGS)[:-30], "damaged or truncated"),
    (zipped(JPEGS, zipfile.ZIP_DEFLATED), "is compressed"),
    (zipped({"000000.jpg": RED}), "lacks picture 1"),
    (zipped(JPEGS | {"../../x.jpg": RED}), "has an entry '../../x.jpg', which is not that of a thumbnail"),
    (zipped({"000000.jpg": BLUE, "000001.png": BLUE}), "has bytes in `000000.jpg` that are not such a picture"),
    (zipped(JPEGS | {"000001.jpg": RED}), "has picture 1 twice"),
    (zipped(JPEGS | {"000000.jpg": RED + bytes(THUMBNAIL.most)}), "has a thumbnail of 262,"),
]


@pytest.mark.parametrize(("content", "said"), WRONG_THUMBNAILS)
def test_files_that_are_not_thumbnails(run: Path, content: bytes, said: str) -> None:
    reseal(run, thumbnails=content)
    (fault,) = data.validate_run(run)
    assert fault.file == THUMBNAILS_FILE
    assert said in fault.message
    with pytest.raises(data.ContractError) as caught:
        data.read_items(run)
    assert said in str(caught.value)


def test_too_many_entries_are_not_listed(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "THUMBNAILS", Bound(1, "pictures", "a test"))
    with pytest.raises(data.ContractError, match="has 2 pictures in a table of .* at most 1 pictures"):
        data.read_items(run)


def test_thumbnails_need_the_items(run: Path) -> None:
    fields = json.loads((run / MANIFEST_FILE).read_text())
    del fields["checksums"][ITEMS_FILE]
    (run / MANIFEST_FILE).write_text(json.dumps(fields))
    (fault,) = data.validate_run(run)
    assert fault.message == "`checksums` names 'thumbnails.zip' without 'items.jsonl'"


DAMAGE: dict[str, Callable[[bytes, int], bytes]] = {
    "flipped": lambda content, at: content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :],
    "cut": lambda content, at: content[:at],
}


@given(st.sampled_from([ITEMS_FILE, THUMBNAILS_FILE]), st.sampled_from(sorted(DAMAGE)), st.floats(0, 0.999))
@settings(max_examples=30, deadline=None)
def test_any_damage_is_found(tmp_path_factory: pytest.TempPathFactory, name: str, damage: str, place: float) -> None:
    run = write(tmp_path_factory.mktemp("runs") / "run", **GIVEN)
    content = (run / name).read_bytes()
    (run / name).write_bytes(DAMAGE[damage](content, int(place * len(content))))
    (fault,) = data.validate_run(run)
    assert fault.file == name
    assert "damaged: its bytes have changed" in fault.message


TEXT = st.text(max_size=8)


@given(TEXT.filter(bool), TEXT, st.lists(TEXT, min_size=2, max_size=4), TEXT, st.none() | st.integers(0, 999_999))
@settings(max_examples=50, deadline=None)
def test_any_text_comes_back(sample: str, question: str, options: list[str], hint: str, picture: int | None) -> None:
    record = ItemRecord(sample, question, tuple(options), 1, hint, picture)
    line = record.line()
    assert line.count(b"\n") == 1
    assert check_record(parse_line(line)) == record
