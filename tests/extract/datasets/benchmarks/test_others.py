"""Presets for other benchmarks: two or three rows in the form of each file, and what must become of them."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pid_lvlm.extract.config import DatasetSpec
from pid_lvlm.extract.datasets.benchmarks.registry import BENCHMARKS
from pid_lvlm.extract.datasets.benchmarks.steps_inline_options import MMSTAR
from pid_lvlm.extract.datasets.errors import DatasetError
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.datasets.load import load_dataset
from pid_lvlm.extract.datasets.sources.read_table import read_table
from pid_lvlm.extract.errors import UsageError
from tests import ROOT
from tests.extract.datasets.benchmarks import files

PICTURE = {"bytes": files.PICTURES[0], "path": None}
Row = dict[str, Any]


def load(name: str, tmp_path: Path, rows: list[Row]) -> Dataset:
    path = tmp_path / "rows.parquet"
    pl.DataFrame(rows).write_parquet(path)
    return load_dataset(DatasetSpec(path, benchmark=name))


def shape(dataset: Dataset) -> list[tuple[str, str, tuple[str, ...], int]]:
    return [(item.id, item.question, item.options, item.label) for item in dataset.items]


def test_mmstar_takes_options_from_the_question(tmp_path: Path) -> None:
    row = {"index": 7, "image": files.PICTURES[0], "category": "math", "meta_info": {"source": "MMMU"}}
    rows = [
        {**row, "question": "How many?\nOptions: A: one, B: two, C: nan, D: three, four", "answer": "D"},
        {**row, "index": 8, "question": "Options: A: none?\nOptions: A: x, B: y", "answer": "A"},
    ]
    dataset = load("mmstar", tmp_path, rows)
    assert shape(dataset) == [
        ("7", "How many?", ("one", "two", "three, four"), 2),
        ("8", "Options: A: none?", ("x", "y"), 0),
    ]
    assert [item.letters for item in dataset.items] == ["ABD", "AB"]
    assert dataset.items[0].raw == rows[0]["question"]
    with pytest.raises(ValueError, match="no options of the form"):
        MMSTAR.split("How many? A: one")


def test_scienceqa_keeps_rows_with_a_picture(tmp_path: Path) -> None:
    row = {"question": "which?", "choices": ["2", "0"], "answer": 0, "hint": "some text", "lecture": ""}
    dataset = load("scienceqa", tmp_path, [{**row, "image": PICTURE}, {**row, "image": None}])
    assert shape(dataset) == [("1", "which?", ("2", "0"), 0)]
    assert dataset.items[0].hint == "some text"
    assert "1 rows left out: without a picture" in dataset.notes


def test_aokvqa_from_the_hub_and_from_the_original_file(tmp_path: Path) -> None:
    row = {"question": "what?", "question_id": "q1", "choices": "['a', 'b', 'c', 'd']", "correct_choice_idx": 3}
    assert shape(load("aokvqa", tmp_path, [{**row, "image": PICTURE}])) == [("q1", "what?", ("a", "b", "c", "d"), 3)]
    files.write_pictures(tmp_path / "val2017", ["000000000042.jpg"])
    path = tmp_path / "aokvqa_v1p0_val.json"
    path.write_text(json.dumps([{**row, "choices": ["a", "b", "c", "d"], "image_id": 42}]))
    items = load_dataset(DatasetSpec(path, benchmark="aokvqa")).items
    assert items[0].picture == tmp_path / "val2017" / "000000000042.jpg"


def test_seed_bench_keeps_questions_about_one_picture(tmp_path: Path) -> None:
    row = {f"choice_{letter}": letter * 2 for letter in "abcd"} | {"question": "what?", "answer": "C", "data_id": "p1"}
    rows = [
        {**row, "image": [PICTURE], "question_id": "1", "data_type": "image"},
        {**row, "image": [PICTURE, PICTURE], "question_id": "2", "data_type": "video"},
    ]
    dataset = load("seed-bench", tmp_path, rows)
    assert shape(dataset) == [("1", "what?", ("aa", "bb", "cc", "dd"), 2)]
    assert dataset.items[0].group == "p1"


def test_ai2d_answers_are_indices_even_where_an_option_has_that_text(tmp_path: Path) -> None:
    row = {"question": "how many?", "options": ["3", "2", "1", "0"], "answer": "2", "image": PICTURE}
    assert shape(load("ai2d", tmp_path, [row])) == [("1", "how many?", ("3", "2", "1", "0"), 2)]
    with pytest.raises(DatasetError, match="row 1: the answer 'B' is not an index"):
        load("ai2d", tmp_path, [{**row, "answer": "B"}])


def test_mmmu_keeps_multiple_choice_about_one_picture(tmp_path: Path) -> None:
    row = {
        "question": "<image 1> What is it?",
        "options": "['it\\'s a', \"b\", 'c', 'd', 'e']",
        "answer": "E",
        "question_type": "multiple-choice",
        "image_1": PICTURE,
        "image_2": None,
    }
    rows = [
        {"id": "a", **row},
        {"id": "b", **row, "question_type": "open"},
        {"id": "c", **row, "image_2": PICTURE},
        {"id": "d", **row, "options": "['<image 1>', '<image 2>']"},
    ]
    dataset = load("mmmu", tmp_path, rows)
    assert shape(dataset) == [("a", "What is it?", ("it's a", "b", "c", "d", "e"), 4)]
    assert "2 rows left out: about several pictures, or with pictures as options" in dataset.notes


def test_realworldqa_keeps_answers_that_are_letters(tmp_path: Path) -> None:
    question = "Which way?\nA. Left\nB. Right\nC. Ahead\nPlease answer directly with only the letter of the option."
    row = {"image": PICTURE, "image_path": "0.webp", "question": question}
    dataset = load("realworldqa", tmp_path, [{**row, "answer": "B"}, {**row, "answer": "7"}])
    assert shape(dataset) == [("1", "Which way?", ("Left", "Right", "Ahead"), 1)]


def test_cv_bench_answers_stand_in_brackets(tmp_path: Path) -> None:
    row = {"idx": 3, "task": "Count", "question": "How many?", "choices": ["0", "1", "2"], "image": PICTURE}
    assert shape(load("cv-bench", tmp_path, [{**row, "answer": "(B)"}])) == [("3", "How many?", ("0", "1", "2"), 1)]


def test_hallusionbench_answers_are_one_and_zero(tmp_path: Path) -> None:
    row = {"category": "VD", "subcategory": "figure", "set_id": "0", "figure_id": "1", "question": "Is it?"}
    rows = [{**row, "question_id": str(i), "gt_answer": str(i), "image": PICTURE, "filename": "x.png"} for i in (0, 1)]
    dataset = load("hallusionbench", tmp_path, rows)
    assert shape(dataset) == [
        ("VD-figure-0-1-0", "Is it?", ("Yes", "No"), 1),
        ("VD-figure-0-1-1", "Is it?", ("Yes", "No"), 0),
    ]
    assert {item.group for item in dataset.items} == {"VD-figure-0-1"}


def test_blink_keeps_questions_about_one_picture(tmp_path: Path) -> None:
    row = {"sub_task": "Counting", "question": "How many?", "choices": ["0", "3"], "answer": "(B)", "prompt": "x"}
    pictures = {"image_1": PICTURE, "image_2": None, "image_3": None, "image_4": None}
    rows = [{"idx": "val_1", **row, **pictures}, {"idx": "val_2", **row, **pictures, "image_2": PICTURE}]
    dataset = load("blink", tmp_path, rows)
    assert shape(dataset) == [("val_1", "How many?", ("0", "3"), 1)]
    assert "1 rows left out: about several pictures" in dataset.notes


def test_mme_asks_twice_about_a_picture(tmp_path: Path) -> None:
    row = {"question_id": "color/0.jpg", "image": PICTURE, "category": "color"}
    questions = {"Is it red? Please answer yes or no.": "Yes", "Is it blue?  Please answer yes or no. ": "No"}
    rows = [{**row, "question": question, "answer": answer} for question, answer in questions.items()]
    dataset = load("mme", tmp_path, [*rows, {**rows[0], "question_id": "color/1.jpg"}])
    assert shape(dataset) == [
        ("color/0.jpg", "Is it red?", ("Yes", "No"), 0),
        ("color/0.jpg-2", "Is it blue?", ("Yes", "No"), 1),
        ("color/1.jpg", "Is it red?", ("Yes", "No"), 0),
    ]
    assert [item.group for item in dataset.items] == ["color/0.jpg", "color/0.jpg", "color/1.jpg"]


def test_vlmevalkits_files_are_named_by_themselves(tmp_path: Path) -> None:
    rows = [
        {"index": 0, "question": "what?", "A": "x", "B": "y", "C": "", "image": files.ENCODED[0], "answer": "B"},
        {"index": 1, "question": "what?", "A": "x", "B": "y", "C": "z", "image": "0", "answer": "C"},
    ]
    path = files.write_table(tmp_path / "SEEDBench_IMG.tsv", list(rows[0]), rows, "\t")
    dataset = load_dataset(DatasetSpec(path, benchmark="vlmeval-tsv"))
    assert dataset.name == "SEEDBench_IMG"
    assert shape(dataset) == [("0", "what?", ("x", "y"), 1), ("1", "what?", ("x", "y", "z"), 2)]
    assert dataset.items[1].picture == files.PICTURES[0]


def test_every_benchmark_declares_the_columns_it_needs() -> None:
    for benchmark in BENCHMARKS.values():
        assert set(benchmark.needed) <= set(benchmark.columns), benchmark.name


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            files.PMC_HEADER,
            "column `index` is missing; found .*; it looks like PMC-VQA test_clean: --data pmc-vqa=.*file.csv",
        ),
        (["text", "label", "image", "question_id"], "it looks like POPE random"),
        (["index", "question", "hint", "image", "A"], "MMBench en_dev, .*: column `B` is missing; found"),
    ],
)
def test_a_file_of_another_benchmark(tmp_path: Path, columns: list[str], message: str) -> None:
    path = files.write_table(tmp_path / "file.csv", columns, [dict.fromkeys(columns, "x")], ",")
    with pytest.raises(DatasetError, match=message) as caught:
        load_dataset(DatasetSpec(path, benchmark="mmbench"))
    assert "\n" not in str(caught.value)


def test_an_unknown_benchmark(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown benchmark `mmbnech`; did you mean `mmbench`"):
        load_dataset(DatasetSpec(tmp_path / "x.tsv", benchmark="mmbnech"))


def test_the_page_lists_every_benchmark() -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in page.splitlines() if re.match(r"\| `[a-z]", line)]
    listed = {name: cells for cells in rows for name in re.findall(r"`([\w-]+)`", cells[1])}
    assert set(listed) == set(BENCHMARKS)
    for name, benchmark in BENCHMARKS.items():
        assert listed[name][3].strip() == benchmark.options
        if benchmark.expected is not None:
            assert re.findall(r"\d+", listed[name][2])[0] == str(benchmark.expected), name


def test_the_example_of_a_new_benchmark_works(tmp_path: Path) -> None:
    """The declaration on the page that says how to add one."""
    page = (ROOT / "docs" / "adding-a-benchmark.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {
        **vars(importlib.import_module("pid_lvlm.extract.datasets.benchmarks.benchmark")),
        **vars(importlib.import_module("pid_lvlm.extract.datasets.benchmarks.steps_rows")),
        **vars(importlib.import_module("pid_lvlm.extract.datasets.benchmarks.steps_identity")),
    }
    exec(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[-1], names)
    row = {"qid": "7_1", "question": "what?", "img_path": "x.png", "answer": "B", "question_type": "multiple-choice"}
    rows = [row | {"option_a": "a", "option_b": "b", "option_c": "", "option_d": ""}, row | {"question_type": "open"}]
    table = names["MY_BENCH"].apply(read_table(files.write_table(tmp_path / "test.csv", list(rows[0]), rows, ",")))
    assert [(kept["id"], kept["group"], kept["options"]["B"]) for _, kept in table.rows] == [("7_1", "7", "b")]
    assert table.notes == ("my-bench: 1 rows are used; the official file has 1200",)
