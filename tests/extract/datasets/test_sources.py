"""Where rows come from: single files, shards, saved datasets, the hub; and the ways to write options and answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import polars as pl
import pytest

from pid_lvlm.extract.config import DatasetSpec
from pid_lvlm.extract.datasets.answer_options import list_in_text, read_label, read_options
from pid_lvlm.extract.datasets.benchmarks.registry import parse_data
from pid_lvlm.extract.datasets.errors import DatasetError
from pid_lvlm.extract.datasets.load import load_dataset
from pid_lvlm.extract.errors import UsageError
from tests.extract.datasets.benchmarks.files import PICTURES, mmbench_rows, write_mmbench

Rows = list[dict[str, Any]]


def rows(count: int = 3, **changes: Any) -> Rows:
    item = {"question": "what?", "options": ["x", "y"], "answer": 1, "image": {"bytes": PICTURES[0], "path": None}}
    return [{**item, "id": f"item-{number}", **changes} for number in range(count)]


def save(folder: Path, **splits: int) -> Path:
    features = datasets.Features(
        {
            "question": datasets.Value("string"),
            "options": datasets.List(datasets.Value("string")),
            "answer": datasets.ClassLabel(names=["x", "y"]),
            "image": datasets.Image(),
            "id": datasets.Value("string"),
        }
    )
    saved = {name: datasets.Dataset.from_list(rows(count), features=features) for name, count in splits.items()}
    datasets.disable_progress_bars()
    datasets.DatasetDict(saved).save_to_disk(str(folder))
    return folder


def test_a_folder_that_the_datasets_library_saved(tmp_path: Path) -> None:
    folder = save(tmp_path / "toy", val=3, test=5)
    dataset = load_dataset(DatasetSpec(folder / "val"))
    assert [item.id for item in dataset.items] == ["item-0", "item-1", "item-2"]
    assert (dataset.name, dataset.items[0].picture, dataset.items[0].label) == ("val", PICTURES[0], 1)
    assert dataset.sha256 == load_dataset(DatasetSpec(folder / "val")).sha256
    assert dataset.sha256 != load_dataset(DatasetSpec(folder / "test")).sha256
    with pytest.raises(DatasetError, match=r"holds the splits `test`, `val`; give one of them: `.*toy/test`"):
        load_dataset(DatasetSpec(folder))
    (folder / "val" / "state.json").write_text("{}")
    with pytest.raises(DatasetError, match="cannot be read as a saved dataset"):
        load_dataset(DatasetSpec(folder / "val"))


def test_the_hub_through_the_datasets_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = datasets.load_from_disk(str(save(tmp_path / "toy", val=3) / "val"))
    asked: list[tuple[Any, ...]] = []

    def answer(*arguments: str, split: str) -> datasets.Dataset:
        asked.append((*arguments, split))
        return saved

    monkeypatch.setattr(datasets, "load_dataset", answer)
    dataset = load_dataset(DatasetSpec(Path("hf:someone/Toy:en:val")))
    assert (dataset.name, len(dataset.items), asked) == ("Toy", 3, [("someone/Toy", "en", "val")])
    load_dataset(DatasetSpec(Path("hf:someone/Toy:val")))
    assert asked[-1] == ("someone/Toy", "val")
    with pytest.raises(UsageError, match="expected hf:OWNER/NAME:SPLIT or hf:OWNER/NAME:CONFIG:SPLIT, found `hf:x/y`"):
        load_dataset(DatasetSpec(Path("hf:x/y")))


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (ValueError('Unknown split "vall".'), 'Toy`: cannot be loaded from the hub .Unknown split "vall"'),
        (
            datasets.exceptions.DatasetNotFoundError("Dataset 'x' is a gated dataset on the Hub. You must be …"),
            "`x/Toy` is gated and no token gives access; accept its terms on its hub page, then log in",
        ),
    ],
)
def test_hub_datasets_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch, raised: Exception, message: str) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(DatasetError, match=message):
        load_dataset(DatasetSpec(Path("hf:x/Toy:val")))


def test_without_the_datasets_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(UsageError, match=r"needs the `datasets` library, .*pip install '\.\[datasets\]'"):
        load_dataset(DatasetSpec(Path("hf:x/y:val")))


def test_shards_of_a_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for split, count in (("val", 2), ("test", 1)):
        for shard in range(count):
            part = [{**row, "id": f"{split}-{shard}-{row['id']}"} for row in rows()]
            pl.DataFrame(part).write_parquet(tmp_path / f"{split}-0000{shard}-of-0000{count}.parquet")
    assert len(load_dataset(DatasetSpec(tmp_path / "val-*.parquet")).items) == 6
    with pytest.raises(DatasetError, match=r'the folder holds `test`, `val`; choose one: ".*/test-\*.parquet"'):
        load_dataset(DatasetSpec(tmp_path))
    with pytest.raises(DatasetError, match="no file has this name or matches it"):
        load_dataset(DatasetSpec(tmp_path / "train-*.parquet"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"holds neither \*.parquet files nor a saved dataset"):
        load_dataset(DatasetSpec(tmp_path / "empty"))
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(DatasetError, match=r"dataset `.` cannot be used: `.`: the folder holds neither"):
        load_dataset(DatasetSpec(Path()))
    pl.DataFrame(rows()).write_parquet("items.parquet")
    assert load_dataset(DatasetSpec(Path())).name == "empty"


def test_a_picture_folder_that_is_not_there(write_items: Callable[[Rows], Path], tmp_path: Path) -> None:
    path = write_items(rows(1, image="picture-0.png"))
    with pytest.raises(DatasetError, match="picture folder `.*gone` does not exist; pass the folder .* with --images"):
        load_dataset(DatasetSpec(path, images=tmp_path / "gone"))


def test_a_benchmark_before_the_file(tmp_path: Path) -> None:
    assert parse_data("mmbench=x.tsv", {}, None) == DatasetSpec(Path("x.tsv"), benchmark="mmbench")
    assert parse_data("runs/split=val/x.tsv", {}, None).benchmark is None
    assert parse_data("mmbench=hf:lmms-lab/MMBench:en:dev", {}, None).file == Path("hf:lmms-lab/MMBench:en:dev")
    odd = tmp_path / "a=b.jsonl"
    odd.touch()
    assert parse_data(str(odd), {}, None).file == odd
    with pytest.raises(UsageError, match="unknown benchmark `mmbnech`; did you mean `mmbench`"):
        parse_data("mmbnech=x.tsv", {}, None)


@pytest.mark.parametrize(
    ("cells", "texts", "letters"),
    [
        (["x", "y", None, ""], ("x", "y"), "AB"),
        ('["x", "y"]', ("x", "y"), "AB"),
        ("['x', \"it's\", 'z']", ("x", "it's", "z"), "ABC"),
        ({"B": "y", "A": "x", "D": "w"}, ("x", "y", "w"), "ABD"),
        ({"first": "x", "second": "y"}, ("x", "y"), "AB"),
        ([1, 2.5, float("nan")], ("1", "2.5"), "AB"),
    ],
)
def test_ways_to_write_options(cells: Any, texts: tuple[str, ...], letters: str) -> None:
    options = read_options(cells)
    assert (options.texts, options.letters) == (texts, letters)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["", None, " "], "all 3 options are empty"),
        ([], "expected 2 to 26 options, found 0"),
        ("x or y", "expected 2 to 26 options, found 0"),
        (["x", "", "z"], "option B is empty but a later one is not"),
        ({"A": "", "B": None}, "all 2 options are empty"),
    ],
)
def test_options_that_are_none(cells: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_options(cells)


@pytest.mark.parametrize(
    ("answer", "label"), [("(B)", 1), ("b.", 1), ("B", 1), ("10", 1), (1, 1), (1.0, 1), ("0", 0), (None, -1), ("D", 2)]
)
def test_ways_to_write_answers(answer: Any, label: int) -> None:
    assert read_label(answer, read_options({"A": "x", "B": "10", "D": "y"})) == label


@pytest.mark.parametrize("answer", ["C", "z", 3, 0.5, "7", True])
def test_answers_that_are_no_option(answer: Any) -> None:
    with pytest.raises(ValueError, match="is not an option of the item; expected .* of A 'x', B '10', D 'y'"):
        read_label(answer, read_options({"A": "x", "B": "10", "D": "y"}))


def test_lists_in_text() -> None:
    assert list_in_text("(1, 2)") == [1, 2]
    assert list_in_text("__import__('os')") == list_in_text("[x for x in 'ab']") == list_in_text("") == []


def card(folder: Path, text: str) -> DatasetSpec:
    path = folder / "card.toml"
    path.write_text(f'file = "toy.jsonl"\n{text}')
    return DatasetSpec(path)


def test_a_card_chooses_rows_and_counts_from_one(write_items: Callable[[Rows], Path], tmp_path: Path) -> None:
    kinds = ["multi", "open", "Multi", "other"]
    write_items([{**row, "kind": kind} for row, kind in zip(rows(4, image="picture-0.png"), kinds, strict=True)])
    items = load_dataset(card(tmp_path, '[where]\nkind = ["multi", "other"]')).items
    assert [(item.row, item.label) for item in items] == [(1, 1), (3, 1), (4, 1)]
    assert load_dataset(card(tmp_path, "first_index = 1")).items[0].label == 0
    with pytest.raises(DatasetError, match="rows are chosen by `knd`, but it has `question`, .*`kind`"):
        load_dataset(card(tmp_path, '[where]\nknd = "multi"'))
    with pytest.raises(DatasetError, match="`first_index` should be at most 1, found 2"):
        load_dataset(card(tmp_path, "first_index = 2"))
    with pytest.raises(DatasetError, match="`options` should be a list, found 'Yes'"):
        load_dataset(card(tmp_path, 'options = "Yes"'))


def test_a_card_with_fixed_options_takes_answers_in_any_case(
    write_items: Callable[[Rows], Path], tmp_path: Path
) -> None:
    said = ["yes", "NO", "Yes", "b", "0"]
    write_items([{**row, "answer": one} for row, one in zip(rows(5, image="picture-0.png"), said, strict=True)])
    items = load_dataset(card(tmp_path, 'options = ["Yes", "No"]')).items
    assert [item.label for item in items] == [0, 1, 0, 1, 0]
    assert read_label("It", read_options(["it", "It"])) == 1
    with pytest.raises(ValueError, match="fits the options A and B"):  # two differ in case alone: which is meant?
        read_label("iT", read_options(["it", "It"]))


def test_pictures_that_are_all_missing_are_one_sentence(write_items: Callable[[Rows], Path]) -> None:
    path = write_items(rows(3, image="gone.png"))
    with pytest.raises(DatasetError, match="no picture was found in 3 rows; the first, row 1: .*`gone.png`") as caught:
        load_dataset(DatasetSpec(path))
    assert "\n" not in str(caught.value)


def test_a_known_benchmark_given_as_any_file(tmp_path: Path) -> None:
    path = write_mmbench(tmp_path / "dev.tsv", mmbench_rows(two=1, three=0, four=0, fixed_d=0))
    with pytest.raises(DatasetError, match="it looks like MMBench en_dev, .*: --data mmbench=.*dev.tsv"):
        load_dataset(DatasetSpec(path))
