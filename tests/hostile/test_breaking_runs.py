"""A run that turns out bad only when it is read, in whatever way, costs itself and nothing else."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pid_jax.cli import job
from pid_jax.config import make_config
from pid_jax.sweep import batch, stream
from pid_lvlm.data import read_run
from pid_lvlm.data.names import MANIFEST_FILE, shard_file
from tests.pid_jax.conftest import FakeFits

CONFIG = make_config(batch_size=32, epochs=1, seeds=(0, 1), estimator="batch")
SHARD = shard_file(0)
BUDGETS = ("1KB", "8GB")
"""Every run a chunk of its own, and all runs in one."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory, make_run) -> Path:
    root = tmp_path_factory.mktemp("breaking")
    for index, name in enumerate(("a", "b", "c")):
        make_run(root / name, n=120, d=6, layers=2, seed=index)
    return root


def arrays_of(run: Path) -> dict[str, np.ndarray]:
    with np.load(run / SHARD) as archive:
        return dict(archive)


def with_arrays(change: Callable[[dict[str, np.ndarray]], object]) -> Callable[[Path], None]:
    def spoil(run: Path) -> None:
        arrays = arrays_of(run)
        change(arrays)
        np.savez(run / SHARD, **arrays)

    return spoil


def with_manifest(**fields: object) -> Callable[[Path], None]:
    def spoil(run: Path) -> None:
        path = run / MANIFEST_FILE
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    return spoil


def with_bytes(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda run: (run / SHARD).write_bytes(change((run / SHARD).read_bytes())) and None


def deflated_and_damaged(run: Path) -> None:
    arrays = arrays_of(run)
    np.savez_compressed(run / SHARD, **arrays)
    content = bytearray((run / SHARD).read_bytes())
    with zipfile.ZipFile(run / SHARD) as archive:
        start = archive.getinfo("x1_mean.npy").header_offset + 80
    content[start : start + 40] = b"\xff" * 40
    (run / SHARD).write_bytes(content)


def replaced(run: Path) -> None:
    """Another run of the same shapes and name: its numbers must not stand under the names of the old ones."""
    other = run.parent / "c"
    shutil.copy(other / SHARD, run / SHARD)


WAYS = {
    "folder gone": shutil.rmtree,
    "shard gone": lambda run: (run / SHARD).unlink(),
    "manifest gone": lambda run: (run / MANIFEST_FILE).unlink(),
    "empty": with_bytes(lambda content: b""),
    "truncated": with_bytes(lambda content: content[:-100]),
    "deflate": deflated_and_damaged,
    "replaced": replaced,
    "NaN": with_arrays(lambda arrays: arrays["x1_mean"].__setitem__((3, 0), np.nan)),
    "wide": with_arrays(lambda arrays: arrays.update(x1_mean=np.zeros((120, 7), np.float32))),
    "fewer rows": with_arrays(lambda arrays: arrays.update({name: value[:50] for name, value in arrays.items()})),
    "text": with_arrays(lambda arrays: arrays.update(loglik=np.array(["a"]))),
    "no array": with_arrays(lambda arrays: arrays.pop("loglik")),
    "objects": with_arrays(lambda arrays: arrays.update(label=np.array([{}], dtype=object))),
    "other size": with_manifest(num_samples=60),
    "other width": with_manifest(d1=9),
    "other name": with_manifest(run="renamed"),
    "other layers": with_manifest(layers=[2]),
    "no mapping": with_manifest(versions=[1]),
    "not JSON": lambda run: (run / MANIFEST_FILE).write_text("{"),
}


def estimate(root: Path, out: Path, budget: str, after_planning: Callable[[], object]) -> tuple[list[dict], object]:
    """Rows without what differs between any two estimates, and the result of the command."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "launch", lambda stack, config, pace, lengths: FakeFits(stack))
        patch.setattr(batch, "programs_of", lambda group, config: ())
        real = job.plan_groups

        def plan_groups(*arguments: object) -> object:
            groups = real(*arguments)
            after_planning()
            return groups

        patch.setattr(job, "plan_groups", plan_groups)
        done = job.run_job(job.Job((root,), out, memory_budget=budget, quiet=True), CONFIG)
    rows = job.read_existing(out, refused=True).values()
    return [{name: value for name, value in row.items() if name not in ("seconds", "versions")} for row in rows], done


@pytest.fixture(scope="module")
def expected(sound, tmp_path_factory) -> list[dict]:
    return estimate(sound, tmp_path_factory.mktemp("sound") / "r.parquet", "8GB", lambda: None)[0]


def check(sound: Path, folder: Path, expected: list[dict], budget: str, spoil: Callable[[Path], object]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(sound, folder / "runs")
    rows, done = estimate(folder / "runs", folder / "r.parquet", budget, lambda: spoil(folder / "runs" / "b"))
    others = [row for row in expected if row["run"] != "b"]
    assert [row for row in rows if row["run"] in "ac"] == others
    mine = [row for row in rows if row["run"] == "b"]
    if {row["result"] for row in mine} == {"successful"}:  # damage that changes nothing
        assert mine == [row for row in expected if row["run"] == "b"]
        assert done.exit_code == 0
        return
    assert {row["result"] for row in mine} == {"invalid_run"}
    assert done.exit_code == 1


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("way", WAYS)
def test_a_run_that_breaks_after_planning(sound, expected, tmp_path, way, budget, capsys):
    check(sound, tmp_path / "x", expected, budget, WAYS[way])
    said = capsys.readouterr().err
    assert said.count("left out: ") == 1
    assert "Traceback" not in said


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_bytes_that_change_after_planning(sound, expected, tmp_path, data):
    name = data.draw(st.sampled_from([SHARD, MANIFEST_FILE]))
    size = (sound / "b" / name).stat().st_size
    places = data.draw(st.lists(st.tuples(st.integers(0, size - 1), st.integers(0, 255)), min_size=1, max_size=8))
    budget = data.draw(st.sampled_from(BUDGETS))

    def spoil(run: Path) -> None:
        content = bytearray((run / name).read_bytes())
        for place, value in places:
            content[place] = value
        (run / name).write_bytes(content)

    check(sound, tmp_path / "x", expected, budget, spoil)


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError(5, "Input/output error"), RecursionError("deep"), KeyError(1)]
)
def test_whatever_reading_raises(sound, expected, tmp_path, monkeypatch, error):
    def broken(folder: Path, **options: object) -> object:
        if folder.name == "b":
            raise error
        return read_run(folder, **options)

    monkeypatch.setattr(stream, "read_run", broken)
    check(sound, tmp_path / "x", expected, "8GB", lambda run: None)


def test_what_was_fitted_is_kept_when_memory_runs_out(sound, expected, tmp_path, monkeypatch):
    real, calls = batch.stack_problems, []

    def stack_problems(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 5:  # the first of the third run
            raise MemoryError
        return real(*arguments)

    monkeypatch.setattr(batch, "stack_problems", stack_problems)
    out = tmp_path / "r.parquet"
    with pytest.raises(job.PidError, match="ran out of memory; choose a smaller memory budget"):
        estimate(sound, out, "1KB", lambda: None)
    assert {row["run"] for row in job.read_existing(out).values()} == {"a", "b"}


def test_a_manifest_that_no_row_can_hold_is_left_out_before_anything_is_fitted(sound, expected, tmp_path):
    for fields in ({"step": 2**70}, {"versions": [1]}, {"size_b": -1.0}, {"model": "a\x1bb"}, {"family": "x" * 5000}):
        shutil.rmtree(tmp_path / "x", ignore_errors=True)
        shutil.copytree(sound, tmp_path / "x" / "runs")
        with_manifest(**fields)(tmp_path / "x" / "runs" / "b")
        rows, done = estimate(tmp_path / "x" / "runs", tmp_path / "x" / "r.parquet", "8GB", lambda: None)
        assert [row for row in rows if row["run"] in "ac"] == [row for row in expected if row["run"] != "b"]
        assert done.exit_code == 1
        assert "b" in done.failures[-1].what
