"""Files of a run that were lost or damaged are measured again by the same command, which ends with equal bytes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pid_lvlm import data
from pid_lvlm.data.errors import OutputExistsError
from pid_lvlm.data.files import write_npz
from pid_lvlm.data.locks import lock_file
from pid_lvlm.data.names import MANIFEST_FILE, NOISE_FILE, shard_file
from pid_lvlm.extract.config import ExtractionConfig, ModelSpec
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.run.contents.run_folder import check_out_folder, run_path
from pid_lvlm.extract.run.extract_run import extract_run
from pid_lvlm.extract.run.progress import Reporter
from tests.extract.console import Command, assert_one_sentence
from tests.extract.run.conftest import ExtractInto, contents

SETTINGS = ("--batch-size", 4, "--shard-size", 4, "--layers", "last")
Again = Callable[..., tuple[int, str, str]]
Extract = Callable[..., str]


@pytest.fixture
def again(command: Command, checkpoint: Path, items: Path, tmp_path: Path) -> Again:
    """The same command on the same items."""

    def call(*more: object) -> tuple[int, str, str]:
        return command("--model", checkpoint, "--data", items, "--out", tmp_path / "runs", *SETTINGS, *more)

    return call


@pytest.fixture
def extract(extract_into: ExtractInto) -> Extract:
    """What the command does once the model is loaded; gives what it says."""

    def call(out: Path) -> str:
        outcome, said = extract_into(out)
        return f"{said}{outcome}"

    return call


@pytest.fixture
def run(finished_run: Path) -> Path:
    return finished_run


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def set_fields(folder: Path, **changes: object) -> None:
    path = folder / MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes, indent=2, ensure_ascii=False) + "\n")


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a zip header": lambda path: flip(path, 10),
    "padding": lambda path: flip(path, path.read_bytes().find(b"}    ") + 3),
    "data": lambda path: flip(path, path.stat().st_size // 2),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:300]),
    "empty": lambda path: path.write_bytes(b""),
    "of another shard": lambda path: path.write_bytes(path.with_name(shard_file(0)).read_bytes()),
}


@pytest.mark.parametrize("done", [True, False], ids=["finished", "unfinished"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_shard_is_measured_again(extract: Extract, run: Path, damage: str, done: bool) -> None:
    whole = contents(run)
    set_fields(run, finished=done)
    DAMAGE[damage](run / shard_file(1))
    said = extract(run.parent)
    assert f"note: tiny__toy: `{shard_file(1)}` is damaged and is measured again" in said
    assert "4 samples and 7 from before" in said
    assert contents(run) == whole


def test_the_command_names_damage_and_repairs_it(again: Again, run: Path) -> None:
    whole = contents(run)
    flip(run / shard_file(1), 10)
    flip(run / NOISE_FILE, (run / NOISE_FILE).stat().st_size // 2)
    code, output, _ = again("--check", run)
    assert code == 2
    assert (
        f"`{shard_file(1)}`: damaged: its bytes have changed since it was written; run the same pid-extract" in output
    )
    assert f"`{NOISE_FILE}`: damaged" in output
    plan = "".join(again("--dry-run", "--json")[1:])
    assert f"; the run would continue and measure `{NOISE_FILE}`, `{shard_file(1)}` again" in plan
    assert '"state": "unfinished"' in plan
    code, _, errors = again()
    assert code == 0
    assert f"note: tiny__toy: `{shard_file(1)}` is damaged and is measured again" in errors
    assert contents(run) == whole
    assert "already complete" in again()[2]


def test_what_is_missing_is_measured_again(extract: Extract, run: Path) -> None:
    whole = contents(run)
    gone = (shard_file(0), shard_file(2), NOISE_FILE)
    for name in gone:
        (run / name).unlink()
    assert {fault.file for fault in data.validate_run(run)} == set(gone)
    said = extract(run.parent)
    assert all(f"`{name}` is missing and is measured again" in said for name in gone)
    assert "7 samples and 4 from before" in said
    assert contents(run) == whole


def test_noise_statistics_that_changed_are_measured_again(extract: Extract, run: Path) -> None:
    """Other statistics would make the shards measured from now on those of another run."""
    whole = contents(run)
    with np.load(run / NOISE_FILE) as archive:
        write_npz(run / NOISE_FILE, {name: array + 1 for name, array in archive.items()})
    (run / shard_file(1)).unlink()
    assert f"`{NOISE_FILE}` is damaged and is measured again" in extract(run.parent)
    assert contents(run) == whole


def checksums(run: Path) -> dict[str, str]:
    return json.loads((run / MANIFEST_FILE).read_text())["checksums"]


def test_statistics_that_come_out_otherwise_are_refused(extract: Extract, run: Path) -> None:
    set_fields(run, checksums=checksums(run) | {NOISE_FILE: "0" * 64})
    before = contents(run)
    with pytest.raises(
        OutputExistsError, match="is damaged, and the newly measured .* differ from those that the shards were"
    ):
        extract(run.parent)
    assert contents(run) == before


def test_a_shard_that_comes_out_otherwise_is_told(extract: Extract, run: Path) -> None:
    whole = contents(run)
    set_fields(run, checksums=checksums(run) | {shard_file(1): "0" * 64})
    said = extract(run.parent)
    assert f"`{shard_file(1)}` was measured again and is not bit-identical" in said
    assert contents(run) == whole


@pytest.mark.parametrize("done", [True, False], ids=["finished", "unfinished"])
def test_a_run_without_checksums_is_read_as_a_whole(extract: Extract, run: Path, done: bool) -> None:
    """As older versions wrote them: the arrays' own checksums find damage in the data."""
    whole = contents(run)
    set_fields(run, checksums={}, schema_version=2, finished=done)
    if done:
        assert "already complete" in extract(run.parent)
    flip(run / shard_file(1), (run / shard_file(1)).stat().st_size // 2)
    assert f"`{shard_file(1)}` is damaged and is measured again" in extract(run.parent)
    assert contents(run) == whole


def test_a_repair_asks_for_the_same_versions(extract: Extract, run: Path) -> None:
    versions = json.loads((run / MANIFEST_FILE).read_text())["versions"]
    set_fields(run, versions=versions | {"torch": "1.0"})
    assert "already complete" in extract(run.parent)
    (run / shard_file(1)).unlink()
    with pytest.raises(OutputExistsError, match=r"versions.torch was '1.0', now"):
        extract(run.parent)


def test_killed_between_manifest_and_shard(extract: Extract, run: Path) -> None:
    """The checksum is written first, so that what follows it is missing, or is what was there before."""
    whole = contents(run)
    set_fields(run, finished=False)
    (run / shard_file(2)).unlink()
    (run / f".{shard_file(2)}.partial").write_bytes(b"half")
    said = extract(run.parent)
    assert "is damaged" not in said
    assert "3 samples and 8 from before" in said
    assert contents(run) == whole


@pytest.fixture
def holder(run: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that writes the run."""
    script = (
        "import sys, pathlib\nfrom pid_lvlm.data.locks import locked\n"
        "with locked(pathlib.Path(sys.argv[1]), 'pid-extract'):\n    print('held', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, str(run)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        yield other
        other.kill()


def test_another_command_writes_the_run(
    again: Again, run: Path, holder: subprocess.Popen[str], write_items: Callable[..., Path], rows: list
) -> None:
    (run / shard_file(1)).unlink()
    before = contents(run)
    said = f"is being written by pid-extract (process {holder.pid} on "
    assert_one_sentence(again("--quiet"), f"`{run}` {said}", " since 2")
    assert contents(run) == before
    card = run.parent.parent / "other.toml"
    card.write_text('name = "other"\nfile = "toy.jsonl"\n')
    code, _, errors = again("--data", card)
    assert code == 1
    assert f"failed: tiny__toy: `{run}` {said}" in errors
    assert data.validate_run(run.with_name("tiny__other")) == []
    holder.kill()
    holder.wait()
    assert again("--quiet")[0] == 0  # the operating system dropped the lock
    assert lock_file(run).exists()
    assert [path.name for path in data.find_runs([run.parent])] == ["tiny__other", "tiny__toy"]


def test_a_folder_of_locks_alone_is_empty(extract: Extract, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    out.mkdir()
    lock_file(out / "tiny__toy").touch()
    check_out_folder(out)
    assert "11 samples in" in extract(out)


def test_a_run_folder_may_be_a_link(extract: Extract, run: Path, tmp_path: Path) -> None:
    """Who puts it there decides where it leads."""
    whole = contents(run)
    run.rename(tmp_path / "elsewhere")
    run.symlink_to(tmp_path / "elsewhere")
    (run / shard_file(1)).unlink()
    extract(run.parent)
    assert contents(tmp_path / "elsewhere") == whole


ESCAPES = [
    (("--stage", "../x"), "--stage cannot be the name of a file: it contains '/', found '../x'"),
    (("--stage", "a\x1bb"), "--stage cannot be the name of a file: it contains '\\x1b', found 'a\\x1bb'"),
    (("--name", ".."), "--name cannot be the name of a file: it starts with a dot, found '..'"),
    (("--name", "a/.."), "--name cannot be the name of a file: it starts with a dot, found 'a/..'"),
    (("--name", "a\\b"), "--name cannot be the name of a file: it contains "),
    (("--name", "x" * 199), "at most 200 are possible; shorten --name, --stage or the dataset's name"),
]


@pytest.mark.parametrize(("options", "said"), ESCAPES)
def test_names_lead_nowhere_else(again: Again, tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert_one_sentence(again(*options, "--quiet"), said)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("more", [("--dry-run",), ("--preview", "1")], ids=["dry-run", "preview"])
def test_nor_do_those_of_a_plan(again: Again, items: Path, more: tuple[str, ...]) -> None:
    card = items.with_name("card.toml")
    card.write_text('name = "../../x"\nfile = "toy.jsonl"\n')
    before = sorted(items.parent.rglob("*"))
    options = ("--data", card, *more, "--quiet")
    assert_one_sentence(again(*options), "`name` cannot be the name of a file: it contains '/', found '../../x'")
    assert sorted(items.parent.rglob("*")) == before


@given(st.text(max_size=8) | st.sampled_from(["../x", "..", "/", "a/../..", "\0", "x" * 300]))
@settings(max_examples=200, deadline=None)
def test_any_name_leads_into_the_folder_or_is_refused(name: str) -> None:
    out = Path("/out")
    try:
        path = run_path(out, ModelSpec("m", name="m", stage=name).run_name("toy"))
    except data.PidError as error:
        said = str(error)
    else:
        said = ""
    assert said.isprintable()
    if said:
        return
    assert path.parent == out
    assert Path(os.path.normpath(path)) == path


def test_a_run_from_python_leads_nowhere_else(adapter: Adapter, dataset: Dataset, tmp_path: Path) -> None:
    config = ExtractionConfig(tmp_path / "runs", layers="last")
    with pytest.raises(data.PidError, match="cannot be the name of a file"):
        extract_run(adapter, ModelSpec("tiny", stage="../../x"), None, dataset, config, Reporter(quiet=True))
    assert not (tmp_path / "runs").exists()
