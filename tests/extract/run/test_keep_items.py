"""What run folders keep of their items: made once, repaired or removed to fit, and never a reason to measure again."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pid_lvlm import data
from pid_lvlm.data.names import ITEM_FILES, ITEMS_FILE, MANIFEST_FILE, THUMBNAILS_FILE, shard_file
from pid_lvlm.extract.config import ExtractionConfig, ModelSpec
from pid_lvlm.extract.datasets import thumbnails
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.datasets.thumbnails import thumbnail
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.run.contents import keep_items as module
from pid_lvlm.extract.run.contents.keep_items import plan_kept
from pid_lvlm.extract.run.rehearsal.dry_run import DryRun, describe_plan
from tests.extract.console import Command, assert_one_sentence
from tests.extract.run.conftest import ExtractInto, contents

MODES = {"text": {ITEMS_FILE}, "none": set(), "pictures": set(ITEM_FILES)}


@pytest.fixture
def extract(extract_into: ExtractInto) -> ExtractInto:
    return extract_into


@pytest.fixture
def run(finished_run: Path) -> Path:
    return finished_run


def set_fields(folder: Path, **changes: object) -> None:
    path = folder / MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes, indent=2, ensure_ascii=False) + "\n")


def test_a_run_keeps_what_was_asked(run: Path, dataset: Dataset) -> None:
    assert data.validate_run(run) == []
    kept = data.read_items(run)
    assert list(kept) == [item.id for item in dataset.items]
    for item in dataset.items:
        found = kept[item.id]
        assert (found.question, found.options, found.label) == (item.question, item.options, item.label)
        assert found.hint == item.hint
        assert found.thumbnail == thumbnail(item)
    assert len({item.thumbnail for item in kept.values()}) == 6  # eleven items about six pictures


def test_another_choice_changes_files_and_measures_nothing(extract: ExtractInto, run: Path) -> None:
    whole = contents(run)
    for keep, names in MODES.items():
        outcome, _ = extract(run.parent, keep)
        assert outcome.measured == 0
        there = contents(run)
        assert set(there) & set(ITEM_FILES) == names
        assert outcome.items_bytes == sum(len(there[name]) for name in names)
        assert all(there[name] == whole[name] for name in there if name != MANIFEST_FILE)
        assert data.validate_run(run) == []
        assert (data.read_items(run) == {}) == (keep == "none")
    assert contents(run) == whole  # the last one is the default


@pytest.mark.slow
def test_the_file_of_items_says_how_much_and_the_command_more(
    extract: ExtractInto, dataset: Dataset, run: Path
) -> None:
    extract(run.parent, None, replace(dataset, keep_items="text"))
    assert not (run / THUMBNAILS_FILE).exists()
    extract(run.parent, "pictures", replace(dataset, keep_items="none"))
    assert (run / THUMBNAILS_FILE).exists()


@pytest.mark.parametrize("flipped", ITEM_FILES)
def test_damage_is_found_and_repaired_without_measuring(extract: ExtractInto, run: Path, flipped: str) -> None:
    """Of one file that was changed, and one that is gone."""
    whole = contents(run)
    content = bytearray(whole[flipped])
    content[len(content) // 2] ^= 1
    (run / flipped).write_bytes(content)
    (run / next(name for name in ITEM_FILES if name != flipped)).unlink()
    assert [fault.file for fault in data.validate_run(run)] == [*ITEM_FILES]
    outcome, said = extract(run.parent)
    assert outcome.measured == 0
    assert all(f"note: tiny__toy: `{name}` is written again; nothing is measured" in said for name in ITEM_FILES)
    assert contents(run) == whole


def test_a_run_of_an_older_version_gets_its_items(extract: ExtractInto, run: Path) -> None:
    """And stays what it was: measured under its own versions of the libraries."""
    for name in ITEM_FILES:
        (run / name).unlink()
    versions = json.loads((run / MANIFEST_FILE).read_text())["versions"] | {"torch": "1.0"}
    set_fields(run, schema_version=2, checksums={}, versions=versions)
    before = contents(run)
    assert data.validate_run(run) == []
    assert data.read_items(run) == {}
    outcome, said = extract(run.parent)
    assert outcome.measured == 0
    assert all(f"`{name}` is added; nothing is measured for this" in said for name in ITEM_FILES)
    after = contents(run)
    assert all(after[shard_file(index)] == before[shard_file(index)] for index in range(3))
    assert data.read_run(run).manifest.versions == versions
    assert len(data.read_items(run)) == 11


def test_killed_before_the_files_got_their_names(extract: ExtractInto, run: Path) -> None:
    whole = contents(run)
    set_fields(run, finished=False)
    for name in (ITEMS_FILE, THUMBNAILS_FILE, shard_file(2)):
        (run / name).unlink()
    (run / f".{THUMBNAILS_FILE}.partial").write_bytes(b"half")
    _, said = extract(run.parent)
    assert ITEMS_FILE not in said
    assert contents(run) == whole


def test_a_file_that_was_not_removed_to_the_end(extract: ExtractInto, run: Path) -> None:
    checksums = json.loads((run / MANIFEST_FILE).read_text())["checksums"]
    del checksums[THUMBNAILS_FILE]
    set_fields(run, checksums=checksums)
    _, said = extract(run.parent, "text")
    assert f"`{THUMBNAILS_FILE}` is removed (--keep-items)" in said
    assert not (run / THUMBNAILS_FILE).exists()


def test_a_picture_that_changed_meanwhile(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnails, "_made", {})
    picture = dataset.items[0].picture
    assert isinstance(picture, Path)
    picture.write_bytes(b"no picture any more")
    with pytest.raises(data.PidError, match="`toy.jsonl`, row 1: the picture `picture-0.png` is not in a format"):
        plan_kept(dataset.items, dataset, ITEM_FILES)


def test_the_plan_says_what_would_be_kept(
    adapter: Adapter, checkpoint: Path, run: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan(keep: str | None) -> DryRun:
        config = ExtractionConfig(run.parent, layers="last", shard_size=4, keep_items=keep)
        return describe_plan(adapter, ModelSpec(str(checkpoint)), dataset, config)

    size = sum((run / name).stat().st_size for name in ITEM_FILES)
    assert plan(None).items_bytes == pytest.approx(size, abs=30)  # 22 bytes end a zip file
    assert "kept        questions and options, thumbnails of 6 pictures, in `items.jsonl`, `thumb" in plan(None).text
    assert "complete; the run would be skipped" in plan("pictures").text
    assert "complete; the run would only remove `thumbnails.zip`" in plan("text").text
    assert plan("text").items_bytes == (run / ITEMS_FILE).stat().st_size
    assert "complete; the run would only remove `items.jsonl`, `thumbnails.zip`" in plan("none").text
    assert "  kept        nothing\n" in plan("none").text
    (run / ITEMS_FILE).write_bytes(b"")
    assert "complete; the run would only write `items.jsonl`" in plan(None).text
    monkeypatch.setattr(module, "TRIED", 2)
    assert plan_kept(dataset.items, dataset, ITEM_FILES).size == pytest.approx(size, rel=0.05)


def test_from_the_command_line(command: Command, checkpoint: Path, items: Path, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep.toml"
    (tmp_path / "card.toml").write_text(f'name = "toy"\nfile = "{items.name}"\nkeep_items = "none"\n')
    sweep.write_text('[[datasets]]\nfile = "card.toml"\nkeep_items = "text"\n')
    arguments = ("--model", checkpoint, "--sweep", sweep, "--out", tmp_path / "runs", "--limit", 2, "--quiet")
    planned = json.loads(command(*arguments, "--dry-run", "--json")[1])["runs"][0]["items_bytes"]
    code, output, _ = command(*arguments, "--json")
    assert code == 0
    folder = tmp_path / "runs" / "tiny__toy"
    assert (folder / ITEMS_FILE).stat().st_size == json.loads(output)["runs"][0]["items_bytes"] == planned
    assert not (folder / THUMBNAILS_FILE).exists()
    code, _, _ = command("--model", checkpoint, "--data", tmp_path / "card.toml", *arguments[4:])
    assert code == 0
    assert not (folder / ITEMS_FILE).exists()  # the card's own choice
    said = "--keep-items: unknown value `picture`; did you mean `pictures`? known are none, pictures, text"
    assert_one_sentence(command(*arguments, "--keep-items", "picture"), said)
    sweep.write_text(f'[[datasets]]\nfile = "{items.name}"\nkeep_items = "all"\n')
    assert_one_sentence(command(*arguments), "`keep_items` should be 'none', 'text' or 'pictures', found 'all'")
