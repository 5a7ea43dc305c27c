"""PMC-VQA: version 1 with its dirt, and version 2."""

from pathlib import Path

import pytest

from pid_lvlm.extract.datasets.errors import DatasetError
from pid_lvlm.extract.datasets.item import Dataset
from tests.extract.datasets.benchmarks import files
from tests.extract.datasets.benchmarks.loading import Row, group_sizes, load, option_counts, right_letters


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
    assert right_letters(pmc) == dict.fromkeys("ABCD", 500)
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


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    header = files.PMC_HEADER[::-1]
    items = pmc(tmp_path, files.pmc_rows(2), header).items
    assert [(item.options[0], item.label) for item in items] == [("finding 0, 0", 0), ("finding 1, 0", 1)]


def test_a_figure_that_is_not_there(tmp_path: Path) -> None:
    rows = files.pmc_rows(2, figures=2)
    files.write_pictures(tmp_path / "images", ["PMC0_F1.jpg"])
    path = files.write_pmc(tmp_path / "test_clean.csv", rows)
    wanted = r"row 2: picture `PMC0_F2.jpg` does not exist \(looked for .*, images/PMC0_F2.jpg, figures/PMC0_F2.jpg"
    with pytest.raises(DatasetError, match=wanted):
        load("pmc-vqa", path)


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


def test_label_and_text_that_differ_in_form_alone(tmp_path: Path) -> None:
    """A small letter; a text with its letter before it, in other case, with other blanks: they agree."""
    row = files.pmc_rows(1)[0]
    rows = [
        {**row, "Answer_label": " a "},
        *({**row, "Answer": text} for text in (" A:finding 0, 0", "FINDING  0,\u00a00")),
    ]
    dataset = pmc(tmp_path, rows)
    assert [item.label for item in dataset.items] == [0, 0, 0]
    assert dataset.notes == ("pmc-vqa: 3 rows are used; the official file has 2000",)
