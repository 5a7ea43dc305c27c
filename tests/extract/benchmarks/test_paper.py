"""The paper's four benchmarks: row and option counts of the originals, and every known trap of their files."""

from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from extract.config import DatasetSpec
from extract.errors import DatasetError
from extract.items import Dataset
from extract.loader import load_dataset
from tests.extract.benchmarks import files

Row = dict[str, Any]


def load(benchmark: str, file: Path, **settings: Any) -> Dataset:
    return load_dataset(DatasetSpec(file, benchmark=benchmark, **settings))


def option_counts(dataset: Dataset) -> dict[int, int]:
    return dict(Counter(len(item.options) for item in dataset.items))


def group_sizes(dataset: Dataset) -> dict[int, int]:
    return dict(Counter(Counter(item.group for item in dataset.items).values()))


@pytest.fixture(scope="module")
def mmbench_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return files.write_mmbench(tmp_path_factory.mktemp("mmbench") / "MMBench_DEV_EN.tsv", files.mmbench_rows())


@pytest.fixture(scope="module")
def mmbench(mmbench_file: Path) -> Dataset:
    return load("mmbench", mmbench_file)


def small_mmbench(**changes: Any) -> list[Row]:
    """Questions with 2, 3, 4 (D fixed) and 4 options, twelve rows; `changes` of the first row."""
    rows = files.mmbench_rows(two=1, three=1, four=2, fixed_d=1)
    return [{**rows[0], **changes}, *rows[1:]]


def test_mmbench_has_the_papers_rows_and_options(mmbench: Dataset) -> None:
    assert len(mmbench.items) == 4329
    assert option_counts(mmbench) == {2: 178, 3: 288, 4: 3863}
    assert (mmbench.name, mmbench.split, mmbench.prompt, mmbench.notes) == ("mmbench", "en_dev", "paper", ())
    assert len({item.id for item in mmbench.items}) == 4329


def test_all_rotations_of_a_question_are_one_group(mmbench: Dataset) -> None:
    """Two, three or four rows; 53 questions with four options have only three."""
    assert group_sizes(mmbench) == {2: 89, 3: 96 + 53, 4: 979 - 53}
    turned = next(item for item in mmbench.items if item.id == "2000100")
    base = next(item for item in mmbench.items if item.id == "100")
    assert turned.group == base.group == "100"
    assert set(turned.options) == set(base.options)
    assert turned.options != base.options
    assert turned.options[turned.label] == base.options[base.label]
    assert turned.picture == base.picture


def test_base_rows_only(mmbench_file: Path) -> None:
    base = load("mmbench-base", mmbench_file)
    assert len(base.items) == 1164
    assert option_counts(base) == {2: 89, 3: 96, 4: 979}
    assert group_sizes(base) == {1: 1164}


def test_hints_keep_line_breaks_and_quotes_and_may_be_empty(mmbench: Dataset) -> None:
    assert mmbench.items[0].hint == 'The passage says:\n"look twice"\tand think.'
    assert mmbench.items[1].hint == ""


def test_pictures_may_be_grouped_instead(mmbench_file: Path) -> None:
    assert len({item.group for item in load("mmbench", mmbench_file, columns={"group": "@picture"}).items}) == 4


def test_a_limit_comes_after_the_references(tmp_path: Path) -> None:
    """The rows are turned round, so that every reference points behind the limit."""
    path = files.write_mmbench(tmp_path / "turned.tsv", small_mmbench()[::-1])
    first = load_dataset(DatasetSpec(path, benchmark="mmbench"), limit=1).items[0]
    assert first.id == "3000003"
    assert first.picture == files.PICTURES[3]


def test_the_legacy_file_repeats_its_pictures(tmp_path: Path) -> None:
    rows = [{**row, "image": files.ENCODED[0]} for row in small_mmbench()]
    assert len(load("mmbench", files.write_mmbench(tmp_path / "legacy.tsv", rows)).items) == 12


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("77", "row with index 0 takes its picture from index 77, but there is no such row"),
        ("1000000", "row with index 0 takes its picture from index 1000000, but that row only refers to another"),
    ],
)
def test_references_that_lead_nowhere(tmp_path: Path, target: str, message: str) -> None:
    path = files.write_mmbench(tmp_path / "file.tsv", small_mmbench(image=target))
    with pytest.raises(DatasetError, match=message):
        load("mmbench", path)


def test_words_that_readers_take_for_missing_values_are_options(tmp_path: Path) -> None:
    path = files.write_mmbench(tmp_path / "file.tsv", small_mmbench(A="None", B="NA", C="nan"))
    assert load("mmbench", path).items[0].options == ("None", "NA", "nan")


def test_code_in_options_keeps_its_blanks(tmp_path: Path) -> None:
    code = "    x = 1\n    y = 2\n"
    path = files.write_mmbench(tmp_path / "file.tsv", small_mmbench(A=code))
    assert load("mmbench", path).items[0].options[0] == code


def test_repeated_options_are_kept_and_noted(tmp_path: Path) -> None:
    dataset = load("mmbench", files.write_mmbench(tmp_path / "file.tsv", small_mmbench(A="same", B="same")))
    assert dataset.items[0].options == ("same", "same")
    assert "1 rows offer the same option twice; they are kept" in dataset.notes


def test_a_letter_missing_in_the_middle_keeps_the_letters(tmp_path: Path) -> None:
    path = files.write_mmbench(tmp_path / "file.tsv", small_mmbench(B="", D="both A and C", answer="D", C="x"))
    item = load("mmbench", path).items[0]
    assert (item.letters, item.options[item.label]) == ("ACD", "both A and C")


def test_pictures_larger_than_a_csv_readers_limit(tmp_path: Path) -> None:
    picture = files.png(1) + b"\0" * 200_000
    text = files.base64.b64encode(picture).decode()
    path = files.write_mmbench(tmp_path / "file.tsv", small_mmbench(image=text))
    assert len(text) > 131_072
    assert load("mmbench", path).items[0].picture == picture


def test_a_picture_cell_that_is_a_list(tmp_path: Path) -> None:
    path = files.write_mmbench(tmp_path / "one.tsv", small_mmbench(image=str([files.ENCODED[2]])))
    assert load("mmbench", path).items[0].picture == files.PICTURES[2]
    path = files.write_mmbench(tmp_path / "two.tsv", small_mmbench(image=str(files.ENCODED[:2])))
    with pytest.raises(DatasetError, match="row 1: 2 pictures; only items about one picture"):
        load("mmbench", path)


@pytest.mark.parametrize("whole", [str, int])
def test_the_hub_copy_of_mmbench(tmp_path: Path, whole: type) -> None:
    """Text or integer indices, `L2-category`, pictures as structs, missing cells as None or as the word nan."""
    rows = [
        {
            **{name: row[name] or None for name in ("question", "hint", "A", "B", "C", "answer", "category", "source")},
            "D": row["D"] or "nan",
            "hint": row["hint"] or "nan",
            "index": whole(row["index"]),
            "image": {"bytes": files.PICTURES[0], "path": None},
            "L2-category": row["l2-category"],
        }
        for row in small_mmbench()
    ]
    path = tmp_path / "dev-00000-of-00001.parquet"
    pl.DataFrame(rows).write_parquet(path)
    dataset = load("mmbench", path)
    assert option_counts(dataset) == {2: 2, 3: 3, 4: 7}
    assert [item.hint for item in dataset.items[1:4]] == ["", "", ""]
    assert {item.group for item in dataset.items} == {"0", "1", "2", "3"}
    assert any("hold the word nan and were read as empty" in note for note in dataset.notes)


def test_another_release_is_noted(tmp_path: Path) -> None:
    dataset = load("mmbench", files.write_mmbench(tmp_path / "file.tsv", small_mmbench()))
    assert dataset.notes == ("mmbench: 12 rows are used; the official file has 4329",)


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


def small_pope(folder: Path, rows: list[Row], name: str = "pope.json") -> Path:
    files.write_pictures(folder, sorted({row["image"] for row in rows}))
    return files.write_jsonl(folder / name, rows)


def test_ids_tell_the_settings_apart(tmp_path: Path) -> None:
    path = small_pope(tmp_path, files.pope_rows(2))
    ids = [{item.id for item in load(f"pope-{setting}", path).items} for setting in ("random", "popular")]
    assert len(set.union(*ids)) == 24


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


@pytest.fixture(scope="module")
def reefknot_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures only of the perception rows, over both folders of Visual Genome."""
    folder = tmp_path_factory.mktemp("reefknot")
    rows = files.reefknot_rows()
    names = sorted({row["image_id"] for row in rows if row["relation_type"] == "perception"})
    files.write_pictures(folder, [f"VG_100K{'_2' * (int(name) % 2)}/{name}.jpg" for name in names])
    return files.write_jsonl(folder / "Multichoice.jsonl", rows)


def test_reefknot_has_the_papers_rows_and_options(reefknot_file: Path) -> None:
    reefknot = load("reefknot", reefknot_file)
    assert option_counts(reefknot) == {4: 2150}
    assert Counter(Counter(item.group for item in reefknot.items).values()) == files.IMAGES_BY_ROWS
    assert set(Counter(item.options[item.label] for item in reefknot.items).values()) == {50}
    assert reefknot.items[0].options == ("relation0", "away", "until", "onto")
    assert reefknot.items[-1].options[reefknot.items[-1].label] == "on right of"
    assert reefknot.items[7].question == "What is the relation with salt and pepper and tree in this photo?"
    assert reefknot.items[7].raw.endswith("D. relation0, please choose.")
    assert {item.picture.parent.name for item in reefknot.items} == {"VG_100K", "VG_100K_2"}  # type: ignore[union-attr]
    assert (reefknot.name, reefknot.split, reefknot.notes) == ("reefknot", "perception", ())


def reefknot(tmp_path: Path, **changes: Any) -> Dataset:
    row = {**files.reefknot_rows(cognitive=0)[0], **changes}
    files.write_pictures(tmp_path, ["VG_100K/2300000.jpg"])
    return load("reefknot", files.write_jsonl(tmp_path / "Multichoice.jsonl", [row]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_id": "5"}, r"no picture `5` \(looked for VG_100K/5.jpg, VG_100K_2/5.jpg, 5.jpg in"),
        (
            {"query_prompt": "What?"},
            r"row 1: no options of the form '… A. w B. x C. y D. z, please choose.' in 'What\?'",
        ),
        ({"relation_type": "cognitive"}, "no row has perception in `relation_type`; found cognitive"),
        ({"type": "Yes/No"}, "no row has Multichoice in `type`; found yes/no"),
    ],
)
def test_broken_reefknot_rows(tmp_path: Path, changes: Row, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        reefknot(tmp_path, **changes)


@pytest.fixture(scope="module")
def pmc_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pmc")
    rows = files.pmc_rows()
    files.write_pmc(folder / "test_clean.csv", rows)
    files.write_pictures(folder / "images", sorted({row["Figure_path"] for row in rows}))
    return folder


def test_pmc_vqa_has_the_papers_rows_and_options(pmc_folder: Path) -> None:
    pmc = load("pmc-vqa", pmc_folder / "test_clean.csv")
    assert option_counts(pmc) == {4: 2000}
    assert group_sizes(pmc) == {8: 250}  # by article: two figures each
    assert pmc.items[5].options == tuple(f"finding 5, {place}" for place in range(4))
    assert [item.label for item in pmc.items[:5]] == [0, 1, 2, 3, 0]
    assert pmc.items[0].picture == pmc_folder / "images" / "PMC0_F1.jpg"
    assert (pmc.name, pmc.split, pmc.notes) == ("pmc-vqa", "test_clean", ())


def pmc(folder: Path, rows: list[Row], header: list[str] = files.PMC_HEADER, figures: str = "figures") -> Dataset:
    files.write_pictures(folder / figures, sorted({row["Figure_path"] for row in rows}))
    return load("pmc-vqa", files.write_pmc(folder / "test.csv", rows, header))


def test_blanks_and_prefixes_of_pmc_choices(tmp_path: Path) -> None:
    """A prefix goes only where its letter is the column's; no-break and hair spaces go with the blanks."""
    odd = dict(zip(files.CHOICES, ["\u00a0A:\u200ax-ray, chest\u00a0", " C: reactive", "C) T2", "D"], strict=True))
    rows = [{**files.pmc_rows(1)[0], **odd, "Answer": "x-ray, chest"}]
    assert pmc(tmp_path, rows).items[0].options == ("x-ray, chest", "C: reactive", "T2", "D")


def test_blanks_in_column_names_and_the_misspelt_answer(tmp_path: Path) -> None:
    names = dict(zip(files.PMC_HEADER, [f" {name} " for name in files.PMC_HEADER], strict=True))
    names["Answer"] = "Anwser"
    files.write_pictures(tmp_path / "figures", ["PMC0_F1.jpg"])
    row = {names[name]: value for name, value in files.pmc_rows(1)[0].items()}
    dataset = load("pmc-vqa", files.write_pmc(tmp_path / "test.csv", [row], list(names.values())))
    assert dataset.items[0].label == 0


def test_version_2_holds_the_letter_in_answer(tmp_path: Path) -> None:
    header = files.PMC_2_HEADER
    rows = [{**dict.fromkeys(header, "x"), **row, "Answer": row["Answer_label"]} for row in files.pmc_rows(6)]
    rows = [{name: row[name] for name in header} for row in rows]
    assert [item.label for item in pmc(tmp_path, rows, header).items] == [0, 1, 2, 3, 0, 1]


def test_without_labels_the_text_names_the_choice(tmp_path: Path) -> None:
    header = [name for name in files.PMC_HEADER if name != "Answer_label"]
    rows = [{name: row[name] for name in header} for row in files.pmc_rows(6)]
    assert [item.label for item in pmc(tmp_path, rows, header).items] == [0, 1, 2, 3, 0, 1]


def test_label_and_text_that_disagree_are_counted(tmp_path: Path) -> None:
    rows = files.pmc_rows(3)
    dataset = pmc(tmp_path, [{**rows[0], "Answer_label": " c "}, *rows[1:]])
    assert [item.label for item in dataset.items] == [2, 1, 2]
    assert "1 rows have a letter and a text that disagree; the letter counts" in dataset.notes
