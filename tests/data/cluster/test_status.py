"""How far runs are, from folders made by hand."""

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from pid_lvlm import data
from pid_lvlm.data.cluster.records import PartResult, Reason, Records, jobs_folder
from pid_lvlm.data.cluster.states import all_done, summary
from pid_lvlm.data.cluster.status import run_statuses
from pid_lvlm.data.command.part import Part
from pid_lvlm.data.locks import locked
from pid_lvlm.data.names import MANIFEST_FILE, shard_file


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """`whole` is finished; `half` has 2 of its 4 files."""
    rng = np.random.default_rng(0)
    scores = np.log(rng.dirichlet(np.ones(4), (8, 3)))
    whole = data.write_run(
        tmp_path / "runs" / "whole", model="m", dataset="d", loglik=scores, x1=np.eye(8), x2=np.eye(8)
    )
    half = whole.with_name("half")
    shutil.copytree(whole, half)
    manifest = json.loads((half / MANIFEST_FILE).read_text())
    checksum = manifest["checksums"][shard_file(0)]
    # Shard 1 was about to be written; shard 3 is there without being named.
    manifest |= {"finished": False, "shard_size": 2, "checksums": {shard_file(i): checksum for i in (0, 1, 2)}}
    for index in (2, 3):
        shutil.copy(half / shard_file(0), half / shard_file(index))
    (half / MANIFEST_FILE).write_text(json.dumps(manifest))
    return tmp_path / "runs"


def states(out: Path, *runs: str) -> list[tuple[str, int, int | None, str]]:
    return [(one.state, one.done, one.total, one.note) for one in run_statuses(out, runs)]


def test_states_of_folders(out):
    assert states(out, "whole", "half", "none") == [
        ("complete", 8, 8, ""),
        ("interrupted", 4, 8, ""),
        ("new", 0, None, ""),
    ]
    found = run_statuses(out, ["whole", "half", "none"])
    assert all_done(found) == pytest.approx(0.5)
    assert summary(found) == "3 runs: 1 complete, 1 interrupted, 1 new; 50 % done"


def test_a_run_that_somebody_writes_is_running(out):
    with locked(out / "half", "pid-extract"), locked(out / "none", "pid-extract"):
        ((state, done, total, note), new) = states(out, "half", "none")
        assert (state, done, total) == ("running", 4, 8)
        assert note.startswith("pid-extract (process ")
        assert " since 20" in note
        assert new[0] == "running"
    assert states(out, "half")[0][0] == "interrupted"
    with locked(out / "half", "another"):  # looking has not taken it
        pass


def test_a_note_that_a_killed_process_left_is_no_lock(out):
    (out / ".half.lock").write_text("pid-extract (process 1 on a machine) since then")
    assert states(out, "half")[0][0] == "interrupted"


def test_what_a_job_says_about_a_run(out):
    records = Records.of(out, ["a"], [["half", "none"]])
    part = Part(1, 1)
    failed = PartResult("1/1", ("half", "none"), 1, failures=(Reason("half", "it is broken"),), log="a.log")
    records.write(failed, part)
    assert states(out, "half", "none", "whole")[:2] == [("failed", 4, 8, "it is broken"), ("new", 0, None, "")]
    assert run_statuses(out, ["half"])[0].log == "a.log"
    other = Records.of(out, ["b"], [["half"]])
    other.write(PartResult("1/1", ("half",), 2, "no such file"), part)
    assert states(out, "half")[0][3] == "no such file"
    other.write(PartResult("1/1", ("half",), 0), part)
    assert states(out, "half")[0][0] == "interrupted"


def test_files_that_are_not_ours_are_passed_over(out):
    folder = jobs_folder(out) / "x"
    folder.mkdir(parents=True)
    for number, text in enumerate(("", "[]", '{"part": 1}', "{" * 10_000)):
        (folder / f"part-{number}-of-9.json").write_text(text)
    assert states(out, "half")[0][0] == "interrupted"


def test_a_damaged_manifest_is_said(out):
    (out / "half" / MANIFEST_FILE).write_text("{")
    ((state, _, _, note),) = states(out, "half")
    assert state == "failed"
    assert "not JSON" in note or "manifest.json" in note


def test_five_hundred_runs_take_less_than_two_seconds(out):
    names = [f"run-{number}" for number in range(500)]
    for name in names:
        shutil.copytree(out / "half", out / name, copy_function=lambda a, b: Path(b).hardlink_to(a))
    started = time.process_time()
    assert len(run_statuses(out, names)) == 500
    assert time.process_time() - started < 2
