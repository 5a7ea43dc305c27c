"""Reefknot: the perception rows of the multiple-choice file."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pid_lvlm.extract.datasets.errors import DatasetError
from pid_lvlm.extract.datasets.item import Dataset
from tests.extract.datasets.benchmarks import files
from tests.extract.datasets.benchmarks.loading import Row, load, option_counts, right_letters


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
    assert Counter(Counter(item.options[item.label] for item in reefknot.items).values()) == {50: 43}
    assert right_letters(reefknot) == {"A": 553, "B": 515, "C": 552, "D": 530}
    assert (reefknot.rows.read, reefknot.rows.chosen) == (6950, 2150)
    assert reefknot.items[0].options == ("relation0", "away", "onto", "round")
    assert reefknot.items[-1].options[reefknot.items[-1].label] == "on right of"
    assert reefknot.items[0].group == "2300000"  # whichever folder its picture lies in
    assert reefknot.items[7].question == "What is the relation with salt and pepper and tree in this photo?"
    assert reefknot.items[7].raw.endswith("D. relation0, please choose.")
    assert {item.picture.parent.name for item in reefknot.items} == {"VG_100K", "VG_100K_2"}  # type: ignore[union-attr]
    assert (reefknot.name, reefknot.split, reefknot.notes) == ("reefknot", "perception", ())


def test_an_option_of_three_words_and_one_of_the_distractors(reefknot_file: Path) -> None:
    items = load("reefknot", reefknot_file).items
    assert {"on left of", "on right of"} <= {text for item in items for text in item.options}
    assert set(files.DISTRACTORS) <= {text for item in items for text in item.options}
    assert all(len(set(item.options)) == 4 for item in items)


def reefknot(tmp_path: Path, **changes: Any) -> Dataset:
    row = {**files.reefknot_rows(cognitive=0)[0], **changes}
    files.write_pictures(tmp_path, ["VG_100K/2300000.jpg"])
    return load("reefknot", files.write_jsonl(tmp_path / "Multichoice.jsonl", [row]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_id": "5"}, r"picture `5` does not exist \(looked for VG_100K/5.jpg, VG_100K_2/5.jpg, 5.jpg in"),
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
