"""MMBench: rows, rotations and every known trap of its files."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pid_lvlm.extract.config import DatasetSpec
from pid_lvlm.extract.datasets.errors import DatasetError
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.datasets.load import load_dataset
from tests.extract.datasets.benchmarks import files
from tests.extract.datasets.benchmarks.loading import Row, group_sizes, load, option_counts


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
    """The rows are in reverse order, so that every reference points beyond the limit."""
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
        ("77", "row with index 0 takes its picture from index 77, but no row has that index"),
        ("1000000", "row with index 0 takes its picture from index 1000000, but that row itself refers to another"),
    ],
)
def test_references_that_lead_nowhere(tmp_path: Path, target: str, message: str) -> None:
    path = files.write_mmbench(tmp_path / "file.tsv", small_mmbench(image=target))
    with pytest.raises(DatasetError, match=message):
        load("mmbench", path)


def test_words_that_readers_take_for_missing_values_are_options(tmp_path: Path) -> None:
    path = files.write_mmbench(tmp_path / "file.tsv", small_mmbench(A="None", B="NA", C="nan"))
    assert load("mmbench", path).items[0].options == ("None", "NA", "nan")


def test_numbers_as_options_are_texts(tmp_path: Path) -> None:
    path = files.write_mmbench(tmp_path / "file.tsv", small_mmbench(A="007", B="1.50", C="1e3", D="-0"))
    assert load("mmbench", path).items[0].options == ("007", "1.50", "1e3", "-0")


def test_a_hint_that_is_the_word_none_is_a_hint(tmp_path: Path) -> None:
    path = files.write_mmbench(tmp_path / "file.tsv", small_mmbench(hint="None"))
    assert load("mmbench", path).items[0].hint == "None"


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


@pytest.mark.parametrize("missing", [None, "nan"])
def test_the_hub_copy_has_the_papers_rows_and_options(tmp_path: Path, missing: str | None) -> None:
    """Indices as text, `L2-category`, pictures as structs, missing cells as None or as the word nan."""
    rows = files.mmbench_hub_rows(files.mmbench_rows(), missing=missing)
    dataset = load("mmbench", files.write_parquet(tmp_path / "dev-00000-of-00001.parquet", rows))
    assert option_counts(dataset) == {2: 178, 3: 288, 4: 3863}
    assert group_sizes(dataset) == {2: 89, 3: 96 + 53, 4: 979 - 53}
    assert (dataset.items[0].hint[:16], dataset.items[1].hint) == ("The passage says", "")
    cells = 2 * 178 + 288 + sum(not row["hint"] for row in files.mmbench_rows())
    note = f"{cells} cells contain the word nan and were read as empty"
    assert dataset.notes == ((note,) if missing else ())


def test_other_hub_copies(tmp_path: Path) -> None:
    """Integer indices (`cn`), pictures as base64 text (HuggingFaceM4), options and indices as numbers."""
    whole = files.mmbench_hub_rows(small_mmbench(), index=int)
    for rows in (whole, [{**row, "image": files.base64.b64encode(row["image"]["bytes"]).decode()} for row in whole]):
        dataset = load("mmbench", files.write_parquet(tmp_path / "dev.parquet", rows))
        assert option_counts(dataset) == {2: 2, 3: 3, 4: 7}
        assert group_sizes(dataset) == {2: 1, 3: 2, 4: 1}
        assert [item.picture for item in dataset.items[:4]] == files.PICTURES
    numbers = [
        {**row, "A": 1, "B": 2, "C": None, "D": None, "answer": "B", "index": float(row["index"])} for row in whole
    ]
    first = load("mmbench", files.write_parquet(tmp_path / "dev.parquet", numbers)).items[0]
    assert (first.id, first.group, first.options) == ("0", "0", ("1", "2"))


def test_the_word_nan_may_be_an_option(tmp_path: Path) -> None:
    """Only at the end is it what an export wrote for a missing one."""
    rows = files.mmbench_hub_rows(small_mmbench(A="nan", B="b", C="nan", D="d", answer="D"), missing="nan")
    item = load("mmbench", files.write_parquet(tmp_path / "dev.parquet", rows)).items[0]
    assert (item.options, item.letters) == (("nan", "b", "nan", "d"), "ABCD")


def test_the_test_parts_have_no_answers(tmp_path: Path) -> None:
    columns = [name for name in files.MMBENCH_COLUMNS if name != "answer"]
    rows = [{name: row[name] for name in columns} for row in small_mmbench()]
    dataset = load("mmbench", files.write_table(tmp_path / "test.tsv", columns, rows, "\t"))
    assert {item.label for item in dataset.items} == {-1}
    assert dataset.rows.answers == {"unknown": 12}


def test_a_column_that_names_the_question(tmp_path: Path) -> None:
    """`g_index` wins over the index; also where an export made it a float."""
    rows = files.mmbench_hub_rows(small_mmbench())
    rows = [{**row, "g_index": float(900 + int(row["index"]) % 1_000_000)} for row in rows]
    dataset = load("mmbench", files.write_parquet(tmp_path / "dev.parquet", rows))
    assert {item.group for item in dataset.items} == {"900", "901", "902", "903"}


def test_an_index_that_is_none(tmp_path: Path) -> None:
    path = files.write_mmbench(tmp_path / "file.tsv", small_mmbench(index="first"))
    with pytest.raises(DatasetError, match="row 1: `index` is 'first', expected a whole number"):
        load("mmbench", path)


def test_rotations_are_counted_for_the_circular_score(mmbench: Dataset, mmbench_file: Path) -> None:
    """Also with the picture as the group; a file without rotations has none to count."""
    sizes = Counter(item.rotation_of for item in mmbench.items)
    assert Counter(sizes.values()) == {2: 89, 3: 96 + 53, 4: 979 - 53}
    assert all(item.rotations == sizes[item.rotation_of] for item in mmbench.items)
    grouped = load("mmbench", mmbench_file, columns={"group": "@picture"}).items
    assert [item.rotation_of for item in grouped] == [item.rotation_of for item in mmbench.items]
    assert {item.rotation_of for item in load("mmbench-base", mmbench_file).items} == {""}


def test_a_base_row_may_take_its_picture_from_a_rotation(tmp_path: Path) -> None:
    """The rotations are only dropped once the references are resolved."""
    rows = small_mmbench(image="1000000")
    rows = [{**row, "image": files.ENCODED[2]} if row["index"] == 1_000_000 else row for row in rows]
    base = load("mmbench-base", files.write_mmbench(tmp_path / "file.tsv", rows))
    assert (base.items[0].id, base.items[0].picture) == ("0", files.PICTURES[2])
    assert len(base.items) == 4


def test_the_columns_are_the_originals() -> None:
    header = "index question hint A B C D answer category image source l2-category comment split"
    assert header.split() == files.MMBENCH_COLUMNS


def test_another_release_is_noted(tmp_path: Path) -> None:
    dataset = load("mmbench", files.write_mmbench(tmp_path / "file.tsv", small_mmbench()))
    assert dataset.notes == ("mmbench: 12 rows are used; the official file has 4329",)
