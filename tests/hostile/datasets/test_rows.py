"""Dataset files that nobody should write: they become items or sentences, never a traceback and never other items."""

import base64
import io
import json
import os
import unicodedata
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pid_lvlm.data.inputs.paths import matching_files, open_regular
from pid_lvlm.extract.datasets.answer_options import read_label, read_options
from pid_lvlm.extract.datasets.column_mapping import parse_mapping
from pid_lvlm.extract.datasets.errors import RowError
from tests.extract.console import assert_one_sentence, assert_readable, extract_command
from tests.hostile.datasets.item_files import HEADER, LINE, ROW, dataset_or_sentence, parquet, png, read, refused, write

# Names


ODD_NAMES = ("items[1]", "items[!a]", "it?ms", "it*ms", "%69tems", "-items", "~", "with space", "s3:", "items{id}")


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_file_is_what_its_name_says(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str) -> None:
    for stem, question in (("items1", "other"), ("items", "other"), (name, "this")):
        path = folder / f"{stem}.{kind}"
        frame = pl.DataFrame({"image": ["p.png"], "question": [question], "A": ["x"], "B": ["y"]})
        content = io.BytesIO()
        frame.write_parquet(content) if kind == "parquet" else frame.write_csv(content)
        path.write_bytes(content.getvalue())
        if kind == "jsonl":
            write(path, {**ROW, "question": question})
    monkeypatch.chdir(folder)
    for path in (folder / f"{name}.{kind}", Path(f"{name}.{kind}")):
        assert [item.question for item in read(path, images=folder).items] == ["this"]
        assert read(path, images=folder).notes == ()


@settings(deadline=None, max_examples=60)
@given(st.text(st.sampled_from("ab[]!*?-1"), min_size=1, max_size=8))
def test_what_is_there_is_not_a_pattern(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = tmp_path_factory.mktemp("names")
    for other in ("a", "b", "1", "ab", "a1", name):
        (folder / other).touch()
    assert list(matching_files(folder / name)) == [folder / name]
    (folder / name).unlink()
    assert folder / name not in matching_files(folder / name)


def test_a_pattern_says_what_it_matched(folder: Path) -> None:
    for number in range(5):
        write(folder / f"val-{number}.jsonl", {**ROW, "id": number})
    (folder / ".val-9.jsonl").write_text("hidden")
    assert read(folder / "val-*.jsonl").notes == ("it matches 5 files: val-0.jsonl … val-4.jsonl",)
    assert read(folder / "val-[12].jsonl").notes == ("it matches 2 files: val-1.jsonl, val-2.jsonl",)
    assert [read(folder / f"val-{mark}.jsonl").name for mark in ("*", "?", "[1-3]")] == ["val"] * 3
    (folder / "val-*.jsonl").write_text(json.dumps(ROW))
    assert (len(read(folder / "val-*.jsonl").items), read(folder / "val-*.jsonl").name) == (1, "val-*")


@pytest.mark.parametrize("address", ["s3://bucket/x.csv", "http://host.invalid/x.parquet", "file:///etc/x.csv"])
def test_nothing_is_fetched(folder: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.socket.connect", refuse)
    refused(address, "it is a URL, but only local files are read; download the file")
    path = write(folder / "items.jsonl", {**ROW, "image": address})
    refused(path, f"the picture is at `{address}`; nothing is downloaded")


@pytest.mark.parametrize("name", ["hf://datasets/x:val", "hf:../x:val", "hf:/etc/x:val", "hf:x/..:val"])
def test_hub_datasets_have_plain_names(tmp_path: Path, name: str) -> None:
    result = extract_command("--model", "some/model", "--data", name, "--out", tmp_path / "runs")
    assert_one_sentence(result, "--data: expected hf:OWNER/NAME:SPLIT")


def test_names_that_no_file_can_have(folder: Path) -> None:
    result = extract_command("--model", "some/model", "--data", "x" * 100_000, "--out", folder / "runs")
    assert_one_sentence(result, "--data should be a path with parts of at most 255 bytes, found 'xxx")
    assert_readable(result[2])
    refused(write(folder / "two\u2028lines.jsonl", ROW), "cannot be the name of a file: it contains '\\u2028'")
    refused(write(folder / ".hidden.jsonl", ROW), "it starts with a dot; runs are named after the file")


def test_what_is_no_regular_file_is_refused_at_once(folder: Path) -> None:
    os.mkfifo(folder / "pipe.csv")
    os.mkfifo(folder / "pipe.png")
    refused(folder / "pipe.csv", "cannot be read (it is a named pipe, not a regular file)")
    refused(write(folder / "a.jsonl", {**ROW, "image": "pipe.png"}), "it is a named pipe, not a regular file")
    refused(write(folder / "b.jsonl", {**ROW, "image": "/dev/zero"}), "it is a device, not a regular file")
    card = folder / "card.toml"
    os.mkfifo(card)
    refused(card, "cannot be read (it is a named pipe, not a regular file)")
    result = extract_command("--sweep", card, "--out", folder / "runs")
    assert_one_sentence(result, "cannot be read (it is a named pipe, not a regular file)")
    with pytest.raises(OSError, match="it is a folder"):
        open_regular(folder)


# Rows


DEEP = "[" * 5000 + "]" * 5000


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": Infinity}', "row 2: contains Infinity, which is not a number of JSON"),
        ('{"id": NaN}', "row 2: contains NaN"),
        ('{"id": 1e400}', "row 2: contains 1e400, which is not finite"),
        ('{"id": "\\ud800"}', "row 2: contains U+D800, half of a character"),
        (f'{{"id": {DEEP}}}', "row 2: has lists or objects nested more than 64 levels deep"),
        (f'{{"id": {"9" * 5000}}}', "row 2: is not JSON ("),
        ('{"id": 1, "id": 2}', "row 2: has the key 'id' twice in one object"),
        ('{"id": "a\\u0000b"}', ""),
    ],
)
def test_json_that_is_none(folder: Path, line: str, message: str) -> None:
    refused(write(folder / "items.jsonl", ROW, "", line), message)
    refused(write(folder / "items.json", f"[{line}]"), message.removeprefix("row 2: "))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEADER + b"1,p.png,wh\0at?,x,y,A\n", "line 2 contains a zero byte, so it is not text"),
        (HEADER + b'1,p.png,"what?,x,y,A\n2,p.png,what?,x,y,A\n', "items.csv`: "),
        (HEADER + b"1,p.png," + b"z" * 34_000 + b",x,y,Q\n", "row 1: the answer 'Q' is not an option"),
        (HEADER + b"1," + b"z." * 17_000 + b",q,x,y,A\n", "row 1: picture `z.z"),
        (b"id,ima\x07ge\n1,2\n", "the column name 'ima\\x07ge' contains '\\x07'"),
        (
            HEADER + LINE + b"2,p.png,what?,x,y,A\r3,p.png,what?,x,y,A\n",
            "some of its lines end in a carriage return only",
        ),
        (HEADER + b'2,p.png,"what?\r",x,y,A\n3,p.png,what?\r,x,y,A\n', "items.csv`: "),
        (",".join(f"c{n}" for n in range(10_000)).encode() + b"\n" + b"," * 9_999 + b"\n", "and 9980 more"),
    ],
)
def test_tables_that_are_none(folder: Path, content: bytes, message: str) -> None:
    (folder / "items.csv").write_bytes(content)
    refused(folder / "items.csv", message)


def test_byte_order_marks_and_line_ends(folder: Path) -> None:
    mark = b"\xef\xbb\xbf"
    path = folder / "items.csv"
    path.write_bytes(mark + mark + HEADER.replace(b"\n", b"\r\n") + LINE + LINE.replace(b"1", b"2", 1))
    assert [item.id for item in read(path).items] == ["1", "2"]


def test_a_row_of_many_megabytes(folder: Path) -> None:
    long = "z" * 20_000_000
    path = write(folder / "items.jsonl", {**ROW, "question": long})
    refused(path, "the question has 20,000,000 characters; at most 1,000,000 characters are possible")
    refused(write(folder / "items.jsonl", {**ROW, "more": long, "answer": long}), "the answer has 20,000,000")


def test_the_word_nan_is_noted(folder: Path) -> None:
    path = folder / "items.tsv"
    path.write_text("id\timage\tquestion\tA\tB\tC\thint\n1\tp.png\twhat?\tx\ty\tnan\tNaN\n2\tp.png\tnan\tx\ty\tz\t\n")
    said = "3 cells hold the word nan as a question, hint, group or option, and were read as that word"
    assert read(path).notes == (said,)


@pytest.mark.parametrize(
    ("options", "answer", "label", "texts"),
    [
        ({"label": ["A", "B"], "text": ["x", "y"]}, "B", 1, ("x", "y")),
        ({"text": ["x", "y"], "label": ["B", "A"]}, "B", 1, ("y", "x")),
        ({"label": ["1", "2", "3"], "text": ["x", "y", "z"]}, "3", 2, ("x", "y", "z")),
        ({"A": "x", "B": "y"}, "B", 1, ("x", "y")),
        ({"b": "y", "a": "x"}, "b", 1, ("x", "y")),
        ({"second": "y", "first": "x"}, "first", 1, ("y", "x")),
        ([{"label": "A", "text": "x"}, {"label": "B", "text": "y"}], "B", 1, ("x", "y")),
        ('{"A": "x", "B": "y"}', "B", 1, ("x", "y")),
    ],
)
def test_labelled_options(folder: Path, options: Any, answer: str, label: int, texts: tuple[str, ...]) -> None:
    (item,) = read(write(folder / "items.jsonl", {**ROW, "options": options, "answer": answer})).items
    assert (item.options, item.label) == (texts, label)
    if not isinstance(options, str):
        pl.DataFrame([{**ROW, "options": options, "answer": answer}]).write_parquet(folder / "items.parquet")
        (item,) = read(folder / "items.parquet").items
        assert (item.options, item.label) == (texts, label)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([["x"], ["y"]], "option A is a list, ['x']; expected text"),
        ({"first": ["x"], "second": ["y"]}, "option A is a list"),
        ({"label": ["A"], "text": ["x", "y"]}, "found 1 labels for 2 options"),
        ({"label": ["A", "A"], "text": ["x", "y"]}, "the labels of the options are ['A', 'A']; expected different"),
        ([{"x": 1}, {"y": 2}], "option A is a mapping"),
        ({"label": [["A"], ["B"]], "text": ["x", "y"]}, "the label of an option is a list"),
    ],
)
def test_options_that_are_no_texts(folder: Path, options: Any, message: str) -> None:
    refused(write(folder / "items.jsonl", {**ROW, "options": options}), "row 1: " + message)


@pytest.mark.parametrize(
    ("options", "answer", "message"),
    [
        (["x", "x"], "x", "the answer 'x' fits the options A and B, whose texts are the same"),
        ([1, 2], 1, "the answer 1 could mean A '1' or B '2'; state first_index in a card"),
        (["caf\u00e9", "cafe\u0301"], "caf\u00e9", "fits the options A and B"),
        (["x", "x "], "x", "fits the options A and B"),
        (["B", "A"], "A", "the answer 'A' could mean A 'B' or B 'A'; write a letter as (A), or give the letter"),
        (["it", "It"], "IT", "fits the options A and B"),
        ({"label": ["1", "2"], "text": ["2", "1"]}, "1", "could mean A '2' or B '1'"),
    ],
)
def test_answers_that_could_mean_two(folder: Path, options: Any, answer: Any, message: str) -> None:
    path = write(folder / "items.jsonl", {**ROW, "id": 0}, {**ROW, "options": options, "answer": answer})
    refused(path, "row 2: ", message)
    assert read(path, on_bad="skip").rows.dropped == {"answer fits two options": 1}


def test_answers_that_only_look_ambiguous(folder: Path) -> None:
    for options, answer, label in (
        (["x", "x"], "B", 1),
        (["B", "A"], "(A)", 0),
        (["x\u00b2", "x2"], "x\u00b2", 0),
        (["A", "B"], "B", 1),
        ([0, 1, 2], 1, 1),
        (["2", "4", "8"], 8, 2),
        (["\uff21b", "c"], "ab", 0),
    ):
        (item,) = read(write(folder / "items.jsonl", {**ROW, "options": options, "answer": answer})).items
        assert item.label == label, options
    (folder / "card.toml").write_text('file = "items.jsonl"\nfirst_index = 1\n')
    write(folder / "items.jsonl", {**ROW, "options": [2, 1], "answer": 1})
    assert read(folder / "card.toml").items[0].label == 0
    notes = read(write(folder / "items.jsonl", {**ROW, "options": ["1", "2"], "answer": "1"})).notes
    assert notes == (
        "1 answers are a number that is the text of one option and the index of another; they were read as text",
    )


TEXTS = st.text(st.sampled_from("aAbB1 2\u00e9e\u0301\uff21"), min_size=1, max_size=3).filter(str.strip)


@settings(deadline=None, max_examples=50)
@given(st.lists(TEXTS, min_size=2, max_size=4), st.data())
def test_an_answer_by_text_is_that_option(texts: list[str], data: st.DataObject) -> None:
    """Or it is refused; never another option."""
    index = data.draw(st.integers(0, len(texts) - 1))
    try:
        found = read_label(texts[index], read_options(texts))
    except RowError as error:
        assert_readable(str(error))
        return
    same = unicodedata.normalize("NFC", texts[found].strip()) == unicodedata.normalize("NFC", texts[index].strip())
    assert same, (texts, index, found)


def test_a_column_stands_for_one_field(folder: Path) -> None:
    path = write(folder / "items.jsonl", ROW)
    for text, said in (
        ("question=id,options=id", "the column `id` is given for `question` and `options`"),
        ("options=A|A", "the column `A` is given twice for `options`"),
        ("question=a,question=b", "`question` is mapped twice; keep one"),
    ):
        refused(path, said, more=("--columns", text))
    assert parse_mapping("group=image,id=image,image=image")["group"] == "image"
    (folder / "card.toml").write_text('file = "items.jsonl"\n[columns]\nquestion = "id"\noptions = ["x", "id"]\n')
    refused(folder / "card.toml", "`card.toml` [columns]: the column `id` is given for `question` and `options`")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "a\nb"}, "the id 'a\\nb' contains the control character '\\n'"),
        ({"id": "x" * 100_000}, "has 100,000 characters; at most 1,000 characters are possible"),
        ({"id": [1]}, "the id is a list, [1]; expected text"),
        ({"group": {"a": 1}}, "the group is a mapping"),
        ({"question": ["what?"]}, "the question is a list, ['what?']; expected text"),
        ({"answer": ["A"]}, "the answer is a list"),
        ({"answer": 10**400}, "is not an option"),
        ({"image": [["p.png"]]}, "the picture is a list in a list"),
        ({"image": "p.png\0"}, "picture `p.png\\x00` does not exist"),
        ({"image": "{stem}/{0.__class__}"}, "picture `{stem}/{0.__class__}` does not exist"),
    ],
)
def test_cells_that_are_none(folder: Path, change: dict[str, Any], message: str) -> None:
    refused(write(folder / "items.jsonl", {**ROW, **change}), "row 1: ", message)


def test_ids_are_compared_as_texts(folder: Path) -> None:
    refused(write(folder / "items.jsonl", {**ROW, "id": 1}, {**ROW, "id": "1"}), "row 2: id '1' occurs twice")


@pytest.mark.parametrize("change", [str, lambda text: text.replace("\n", ""), lambda text: text.replace("=", "")])
@pytest.mark.parametrize("head", ["", "data:image/png;base64,", "DATA:image/png;charset=utf-8;base64,"])
def test_ways_to_write_base64(folder: Path, change: Any, head: str) -> None:
    content = png(colour=251)
    for encode in (base64.encodebytes, base64.urlsafe_b64encode):
        text = head + change(encode(content).decode())
        (item,) = read(write(folder / "items.jsonl", {**ROW, "image": text})).items
        assert item.picture == content


def test_a_uri_without_a_picture(folder: Path) -> None:
    for uri in ("data:image/svg+xml,<svg/>", "data:;base64,%%%", "data:"):
        refused(write(folder / "items.jsonl", {**ROW, "image": uri}), "should be a data: URI with base64 text")


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
ROWS = st.fixed_dictionaries(
    {},
    optional={
        name: VALUES | st.just(ROW.get(name)) for name in ("id", "image", "question", "options", "answer", "hint")
    },
)


@settings(deadline=None, max_examples=60)
@given(st.lists(ROWS, max_size=3))
def test_any_rows_become_items_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    folder = tmp_path_factory.getbasetemp() / "any-rows"
    folder.mkdir(exist_ok=True)
    (folder / "p.png").write_bytes(png())
    dataset_or_sentence(write(folder / "items.jsonl", *rows))


WHOLE = {
    "jsonl": (json.dumps(ROW) + "\n").encode() * 2,
    "json": json.dumps([ROW]).encode(),
    "csv": HEADER + LINE,
    "tsv": (HEADER + LINE).replace(b",", b"\t"),
    "parquet": parquet(),
}


@pytest.mark.parametrize("kind", sorted(WHOLE))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_become_items_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, capfd: pytest.CaptureFixture[str], kind: str, data: st.DataObject
) -> None:
    content = bytearray(WHOLE[kind])
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(content) - 1))
        some = data.draw(st.binary(max_size=3) | st.sampled_from([b'"', b"\r", b"\0", b"[", b"{", b"\xef\xbb\xbf"]))
        content[place : place + data.draw(st.integers(0, 3))] = some
    folder = tmp_path_factory.getbasetemp() / "damaged"
    folder.mkdir(exist_ok=True)
    (folder / "p.png").write_bytes(png())
    path = folder / f"items.{kind}"
    path.write_bytes(content)
    dataset_or_sentence(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["state.json", "dataset_info.json"])
@pytest.mark.parametrize("content", ["[]", "{}", "null", DEEP, '{"_data_files": [{"filename": 5}]}', '{"features": 3}'])
def test_saved_folders_with_other_json(folder: Path, name: str, content: str) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    datasets.Dataset.from_list([{**ROW, "image": str(folder / "p.png")}]).save_to_disk(str(folder / "saved"))
    (folder / "saved" / name).write_text(content)
    dataset_or_sentence(folder / "saved")


def test_a_column_that_is_mapped_is_no_other_field_by_its_usual_name(folder: Path) -> None:
    path = write(folder / "items.jsonl", {**ROW, "label": "which?", "answer": "B"}, {**ROW, "id": 2, "label": "why?"})
    (first, _) = read(path, columns={"question": "label", "answer": "answer"}).items
    assert (first.question, first.label) == ("which?", 1)
    rows = [{name: row[name] for name in ("id", "image", "options", "label")} for row in ({**ROW, "label": "what?"},)]
    (item,) = read(write(folder / "items.jsonl", *rows), columns={"question": "label"}).items
    assert (item.question, item.label) == ("what?", -1)
    (folder / "card.toml").write_text('file = "items.jsonl"\noptions = ["Yes", "No"]\n[columns]\nquestion = "label"\n')
    assert read(folder / "card.toml").items[0].options == ("Yes", "No")
    (folder / "card.toml").write_text('file = "items.jsonl"\n[columns]\nquestion = "label"\n')
    refused(folder / "card.toml", "the column `label` is given for", more=("--columns", "answer=label"))
