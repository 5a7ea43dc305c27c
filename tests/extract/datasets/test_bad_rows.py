"""Rows that cannot become an item: listed, or left out and counted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pid_lvlm import data
from pid_lvlm.extract.config import ON_BAD_SKIP, DatasetSpec, ExtractionConfig, ModelSpec
from pid_lvlm.extract.datasets.errors import DatasetError
from pid_lvlm.extract.datasets.load import load_dataset
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.run.extract_run import Outcome
from pid_lvlm.extract.run.rehearsal.dry_run import describe_plan
from tests.extract.datasets.benchmarks import files

Rows = list[dict[str, Any]]
Write = Callable[[Rows], Path]


def skipping(path: Path, **settings: Any) -> DatasetSpec:
    return DatasetSpec(path, on_bad=ON_BAD_SKIP, **settings)


@pytest.fixture
def spoilt(write_items: Write, rows: Rows, tmp_path: Path) -> Path:
    """Eleven rows, four of them bad: 2, 4, 5 and 9."""
    rows[1]["image"] = "gone.png"
    rows[3]["answer"] = "E"
    rows[4]["options"] = ["", ""]
    rows[8]["image"] = "damaged.png"
    path = write_items(rows)
    (tmp_path / "damaged.png").write_bytes((tmp_path / "picture-0.png").read_bytes()[:100])
    return path


REASONS = {
    "missing picture": 1,
    "answer is not an option": 1,
    "fewer than two options": 1,
    "unreadable picture": 1,
}


def test_bad_rows_are_an_error_by_default(spoilt: Path) -> None:
    with pytest.raises(DatasetError, match="; --on-bad skip leaves bad rows out$") as caught:
        load_dataset(DatasetSpec(spoilt))
    assert [fault.row for fault in caught.value.faults] == [2, 4, 5, 9]


def test_bad_rows_are_left_out_and_counted(spoilt: Path) -> None:
    dataset = load_dataset(skipping(spoilt))
    assert [item.row for item in dataset.items] == [1, 3, 6, 7, 8, 10, 11]
    assert dataset.rows.dropped == REASONS
    assert (dataset.rows.read, dataset.rows.chosen) == (11, 11)
    assert dataset.notes == (
        "4 of 11 rows dropped: 1 missing picture, 1 answer is not an option, 1 fewer than two options, "
        "1 unreadable picture (rows 2, 4, 5, 9, counted from 1)",
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"image": None}, "missing picture"),
        ({"image": ["picture-0.png", "picture-1.png"]}, "several pictures"),
        ({"question": " "}, "no question"),
        ({"options": ["only"]}, "fewer than two options"),
        ({"options": ["x", "", "z"]}, "options cannot be told apart"),
        ({"answer": 7}, "answer is not an option"),
        ({"id": "item-0"}, "repeated id"),
    ],
)
def test_every_reason(write_items: Write, rows: Rows, change: dict[str, Any], reason: str) -> None:
    dataset = load_dataset(skipping(write_items([rows[0], {**rows[1], **change}, rows[2]])))
    assert dataset.rows.dropped == {reason: 1}
    assert [item.id for item in dataset.items] == ["item-0", "item-2"]


def test_the_repeated_id_of_a_bad_row_is_free(write_items: Write, rows: Rows) -> None:
    bad = {**rows[1], "answer": "Z", "id": "item-2"}
    assert [item.row for item in load_dataset(skipping(write_items([rows[0], bad, rows[2]]))).items] == [1, 3]


def test_a_limit_counts_items_and_looks_no_further(write_items: Write, rows: Rows) -> None:
    rows[0]["answer"] = rows[3]["answer"] = rows[5]["answer"] = "Z"
    path = write_items(rows)
    dataset = load_dataset(skipping(path), limit=3)
    assert [item.row for item in dataset.items] == [2, 3, 5]
    assert dataset.rows.dropped == {"answer is not an option": 2}
    with pytest.raises(DatasetError) as caught:
        load_dataset(DatasetSpec(path), limit=3)
    assert [fault.row for fault in caught.value.faults] == [1]


def test_more_than_half_bad_is_the_wrong_file(write_items: Write, rows: Rows) -> None:
    for row in rows[:6]:
        row["image"] = "gone.png"
    with pytest.raises(
        DatasetError,
        match=r"6 of 11 rows are bad \(6 missing picture\), more than half, so none is skipped; .* row 1: picture",
    ):
        load_dataset(skipping(write_items(rows)))
    assert len(load_dataset(skipping(write_items(rows[1:]))).items) == 5  # half of ten is not more than half


def test_a_missing_column_is_never_skipped(write_items: Write, rows: Rows) -> None:
    path = write_items([{name: row[name] for name in row if name != "question"} for row in rows])
    with pytest.raises(DatasetError, match="no column for `question`"):
        load_dataset(skipping(path))


def test_rows_that_a_benchmarks_steps_cannot_use(tmp_path: Path) -> None:
    """A dangling picture reference, and an answer: the question of the first is then incomplete, but known."""
    rows = files.mmbench_rows(two=2, three=1, four=2, fixed_d=0)
    rows[6]["image"], rows[0]["answer"] = "77", "D"
    path = files.write_mmbench(tmp_path / "dev.tsv", rows)
    with pytest.raises(DatasetError) as caught:
        load_dataset(DatasetSpec(path, benchmark="mmbench"))
    assert [fault.row for fault in caught.value.faults] == [1, 7]
    dataset = load_dataset(skipping(path, benchmark="mmbench"))
    assert dataset.rows.dropped == {"answer is not an option": 1, "missing picture": 1}
    assert len(dataset.items) == 13
    turned = [item for item in dataset.items if item.rotation_of == "1"]
    assert [(item.rotations, item.row) for item in turned] == [(2, 2)]


def test_cards_and_sweeps_may_say_so(spoilt: Path, tmp_path: Path) -> None:
    card = tmp_path / "card.toml"
    card.write_text('file = "toy.jsonl"\non_bad = "skip"\n')
    assert len(load_dataset(DatasetSpec(card)).items) == 7
    with pytest.raises(DatasetError, match="row 2: picture .* does not exist"):
        load_dataset(DatasetSpec(card, on_bad="error"))
    card.write_text('file = "toy.jsonl"\non_bad = "drop"\n')
    with pytest.raises(DatasetError, match="`on_bad` should be 'error' or 'skip', found 'drop'"):
        load_dataset(DatasetSpec(card))


def test_the_run_records_it(spoilt: Path, run: Callable[..., Outcome], tmp_path: Path) -> None:
    run(load_dataset(skipping(spoilt)), tmp_path / "runs", layers="last")
    manifest = data.read_manifest(tmp_path / "runs" / "tiny__toy")
    assert manifest.dataset_rows == {"read": 11, "chosen": 11, "kept": 7, "dropped": REASONS}
    assert manifest.num_samples == 7
    assert data.validate_run(tmp_path / "runs" / "tiny__toy") == []


def test_the_plan_counts_options_and_right_letters(adapter: Adapter, spoilt: Path, tmp_path: Path) -> None:
    """Of every row whose options can be read, also those beyond a limit."""
    dataset = load_dataset(skipping(spoilt), limit=2)
    text = describe_plan(adapter, ModelSpec("tiny"), dataset, ExtractionConfig(tmp_path / "runs")).text
    assert "  rows        11 read, 11 chosen, 1 dropped (1 missing picture), 2 used\n" in text
    assert "  options     2 in 3 rows, 3 in 3 rows, 4 in 3 rows\n" in text
    assert "  answers     A 5, B 4\n" in text
