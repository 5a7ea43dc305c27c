"""POPE: three settings in every form in which they are found."""

from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from pid_lvlm.extract.config import DatasetSpec
from pid_lvlm.extract.datasets.errors import DatasetError
from pid_lvlm.extract.datasets.load import load_dataset
from tests.extract.datasets.benchmarks import files
from tests.extract.datasets.benchmarks.loading import Row, group_sizes, load, option_counts, right_letters


@pytest.fixture(scope="module")
def pope_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pope")
    rows = files.pope_rows()
    files.write_jsonl(folder / "coco_pope_adversarial.json", rows)
    files.write_pictures(folder / "val2014", sorted({row["image"] for row in rows}))
    return folder


def test_pope_has_the_papers_rows_and_options(pope_folder: Path) -> None:
    """JSON Lines under the name json; A is Yes, B is No; pictures in val2014."""
    pope = load("pope-adversarial", pope_folder / "coco_pope_adversarial.json")
    assert option_counts(pope) == {2: 3000}
    assert group_sizes(pope) == {6: 500}
    assert Counter(item.label for item in pope.items) == {0: 1500, 1: 1500}
    assert {item.options for item in pope.items} == {("Yes", "No")}
    assert (pope.items[0].id, pope.items[0].group) == ("adversarial-1", "COCO_val2014_000000000042")
    assert (pope.name, pope.split, pope.prompt, pope.notes) == ("pope-adversarial", "adversarial", "paper", ())


def test_the_settings_share_pictures_and_yes_questions(tmp_path: Path) -> None:
    """And their numbers: ids tell them apart, so that no two rows of all three have the same."""
    files.write_pictures(tmp_path / "val2014", sorted({row["image"] for row in files.pope_rows(2)}))
    loaded = []
    for setting in ("random", "popular", "adversarial"):
        path = files.write_jsonl(tmp_path / f"coco_pope_{setting}.json", files.pope_rows(2, setting))
        loaded.append(load(f"pope-{setting}", path))
    assert len({item.id for dataset in loaded for item in dataset.items}) == 36
    assert len({item.group for dataset in loaded for item in dataset.items}) == 2
    yes, no = ([{item.question for item in d.items if item.label == right} for d in loaded] for right in (0, 1))
    assert yes[0] == yes[1] == yes[2]
    assert not no[0] & no[1]


def test_one_setting_of_the_hub(tmp_path: Path) -> None:
    """`Full`: a split per setting; everything is text, and the picture's name has no ending."""
    path = files.write_parquet(tmp_path / "adversarial-00000-of-00001.parquet", files.pope_hub_rows("adversarial"))
    pope = load("pope-adversarial", path)
    assert (option_counts(pope), group_sizes(pope), pope.notes) == ({2: 3000}, {6: 500}, ())
    assert right_letters(pope) == {"A": 1500, "B": 1500}
    assert (pope.items[0].id, pope.items[0].group) == ("adversarial-1", "COCO_val2014_000000000042")


@pytest.mark.parametrize("setting", ["random", "popular", "adversarial"])
def test_all_settings_of_the_hub_in_one_file(tmp_path_factory: pytest.TempPathFactory, setting: str) -> None:
    """`default`: 9000 rows, of which a setting is a third, and its yes questions not counted three times."""
    path = tmp_path_factory.getbasetemp() / "pope-test.parquet"
    if not path.exists():
        rows = [row for name in ("random", "popular", "adversarial") for row in files.pope_hub_rows(name)]
        files.write_parquet(path, rows)
    pope = load(f"pope-{setting}", path)
    assert (pope.rows.read, pope.rows.chosen, option_counts(pope)) == (9000, 3000, {2: 3000})
    assert right_letters(pope) == {"A": 1500, "B": 1500}
    assert group_sizes(pope) == {6: 500}
    assert {item.question.split()[3] for item in pope.items if item.label == 1} == {setting}


def test_vlmevalkits_table(tmp_path: Path) -> None:
    """An equal question once for all its settings, `Yes` and `No`, pictures as text or as the index that has it."""
    rows = files.pope_tsv_rows(["random", "popular", "adversarial"], images=4)
    assert len(rows) == 4 * (3 + 3 * 3)
    path = files.write_table(tmp_path / "POPE.tsv", ["index", "image", "question", "answer", "category"], rows, "\t")
    for setting in ("random", "adversarial"):
        pope = load(f"pope-{setting}", path)
        assert (len(pope.items), right_letters(pope), group_sizes(pope)) == (24, {"A": 12, "B": 12}, {6: 4})
        assert pope.items[0].id == f"{setting}-0"


def test_a_copy_without_answers(tmp_path: Path) -> None:
    """LLaVA's: one file for all settings, and no labels."""
    rows = [{**row, "category": "random"} for row in files.pope_rows(1)]
    rows = [{name: row[name] for name in ("question_id", "image", "text", "category")} for row in rows]
    with pytest.raises(
        DatasetError, match=r"not a file of POPE random \(COCO 2014\): column `label` or `answer` is missing"
    ):
        load("pope-random", files.write_jsonl(tmp_path / "llava_pope_test.jsonl", rows))


def small_pope(folder: Path, rows: list[Row], name: str = "pope.json") -> Path:
    files.write_pictures(folder, sorted({row["image"] for row in rows}))
    return files.write_jsonl(folder / name, rows)


def test_a_file_of_another_setting(tmp_path: Path) -> None:
    path = small_pope(tmp_path, files.pope_rows(1), "coco_pope_random.json")
    with pytest.raises(DatasetError, match="the file's name says `random`, which is another part of this benchmark"):
        load("pope-popular", path)


def test_settings_in_one_file_are_told_apart_before_counting(tmp_path: Path) -> None:
    """The hub's default configuration, and VLMEvalKit's, where an equal question names all its settings."""
    rows = [
        {
            "id": str(number),
            "question_id": str(number % 4 + 1),
            "question": "Is there a cat in the image?",
            "answer": answer,
            "image_source": "COCO_val2014_000000000001",
            "image": {"bytes": files.PICTURES[0], "path": None},
            "category": category,
        }
        for number, (category, answer) in enumerate(
            [("Random", "Yes"), ("adversarial", "no"), ("popular,adversarial", "YES"), ("popular", "no")]
        )
    ]
    path = tmp_path / "test-00000-of-00001.parquet"
    pl.DataFrame(rows).write_parquet(path)
    dataset = load("pope-adversarial", path)
    assert [(item.row, item.label) for item in dataset.items] == [(2, 1), (3, 0)]
    assert {item.group for item in dataset.items} == {"COCO_val2014_000000000001"}
    pl.DataFrame([{**row, "category": "seem"} for row in rows]).write_parquet(path)
    with pytest.raises(DatasetError, match="no row has adversarial in `category`; found seem"):
        load("pope-adversarial", path)


def test_pictures_under_the_names_of_coco_2017(tmp_path: Path) -> None:
    rows = files.pope_rows(1)
    files.write_pictures(tmp_path / "val2017", ["000000000042.jpg"])
    dataset = load("pope-random", files.write_jsonl(tmp_path / "pope.json", rows))
    assert dataset.items[0].picture == tmp_path / "val2017" / "000000000042.jpg"
    assert dataset.items[0].group == "COCO_val2014_000000000042"


def test_which_of_yes_and_no_is_a_can_be_turned(tmp_path: Path) -> None:
    small_pope(tmp_path, files.pope_rows(1))
    card = tmp_path / "card.toml"
    card.write_text('file = "pope.json"\nbenchmark = "pope-random"\noptions = ["No", "Yes"]\n')
    items = load_dataset(DatasetSpec(card)).items
    assert {item.options for item in items} == {("No", "Yes")}
    assert [item.label for item in items] == [1, 0] * 3


def test_an_answer_that_is_neither_yes_nor_no(tmp_path: Path) -> None:
    rows = files.pope_rows(1)
    path = small_pope(tmp_path, [{**rows[0], "label": "maybe"}, *rows[1:]])
    with pytest.raises(DatasetError, match="row 1: the answer 'maybe' is neither yes nor no"):
        load("pope-random", path)
