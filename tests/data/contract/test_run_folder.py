"""The contract: what is written is read back, and every broken rule is named with its place."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pid_lvlm import data
from pid_lvlm.data.contract.schema.arrays import ARRAYS
from pid_lvlm.data.contract.schema.manifest import MIGRATIONS
from pid_lvlm.data.files import write_npz
from pid_lvlm.data.names import CONDITIONS, MANIFEST_FILE, SCHEMA_VERSION, shard_file


def change_shard(folder: Path, **changes: object) -> None:
    path = folder / shard_file(0)
    with np.load(path) as archive:
        arrays = dict(archive)
    for name, change in changes.items():
        if change is None:
            del arrays[name]
        else:
            arrays[name] = change(arrays[name].copy()) if callable(change) else change
    write_npz(path, arrays)


def change_manifest(folder: Path, **changes: object) -> None:
    path = folder / MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def put(value: object, *place: object):
    def change(array: np.ndarray) -> np.ndarray:
        array[place] = value
        return array

    return change


LETTERS = np.array(list("abcdefghijklmnopqrst"))


@pytest.fixture
def run(tmp_path, make_run) -> Path:
    return make_run(tmp_path / "run", n=20)


def test_written_run_reads_back(run):
    read = data.read_run(run)
    assert len(read) == 20
    assert read.manifest.model == "model-synergy"
    assert read.manifest.conditions == CONDITIONS
    assert set(read.arrays) == {spec.name for spec in ARRAYS if spec.required}
    assert read.features(1, "mean").shape == (20, 12)


def test_same_arrays_give_same_bytes(tmp_path, make_run):
    first, second = make_run(tmp_path / "a" / "run", n=20), make_run(tmp_path / "b" / "run", n=20)
    for file in (MANIFEST_FILE, shard_file(0)):
        assert (first / file).read_bytes() == (second / file).read_bytes()


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 6), st.sampled_from([3, 4]), st.integers(1, 3), st.integers(2, 5)),
               elements=st.floats(-50, 0, width=32))
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_any_valid_loglik_survives_the_round_trip(tmp_path_factory, loglik):
    folder = tmp_path_factory.mktemp("round") / "run"
    n = len(loglik)
    data.write_run(folder, model="m", dataset="d", loglik=loglik, x1=np.zeros((n, 2)), x2=np.ones((n, 3)))
    read = data.read_run(folder)
    np.testing.assert_array_equal(read.arrays["loglik"], loglik)
    assert read.manifest.conditions == CONDITIONS[: loglik.shape[1]]


@pytest.mark.parametrize(
    ("changes", "array", "row", "said"),
    [
        ({"loglik": put(np.nan, 3, 0, 0, 0)}, "loglik", 3, "NaN"),
        ({"loglik": put(np.inf, 4, 1, 0, 0)}, "loglik", 4, "infinity"),
        ({"loglik": put(0.5, 5, 1, 0, 0)}, "loglik", 5, "at most 0"),
        ({"loglik": put(-np.inf, 6, 1, 0, 0)}, "loglik", 6, "that the item has"),
        ({"x1_mean": put(np.nan, 7, 0)}, "x1_mean", 7, "NaN"),
        ({"x1_mean": lambda x: x[:, :3]}, "x1_mean", None, "expected shape (20, 12)"),
        ({"x2_mean": lambda x: x.astype(np.float64)}, "x2_mean", None, "expected float32"),
        ({"num_options": put(1, 2)}, "num_options", 2, "is less than 2"),
        ({"num_options": put(9, 2)}, "num_options", 2, "more options than"),
        ({"num_options": put(3, 2)}, "loglik", 2, "beyond the item's options"),
        ({"label": put(4, 8)}, "label", 8, "is not an option"),
        ({"sample_id": put("0", 1)}, "sample_id", 1, "twice"),
        ({"sample_id": put("", 1)}, "sample_id", 1, "empty"),
        ({"label": None}, "label", None, "missing"),
        ({"mystery": np.zeros(20)}, "mystery", None, "unknown array"),
        (
            {"rotations": np.ones(20, int)},
            "rotation_of",
            None,
            "missing, but `rotations` is present; write both or neither",
        ),
        ({"rotation_of": LETTERS}, "rotations", None, "missing, but `rotation_of` is present; write both or neither"),
        ({"rotation_of": LETTERS, "rotations": put(0, 6)(np.ones(20, int))}, "rotations", 6, "less than the rows"),
        ({"rotation_of": put("", 4)(LETTERS.copy()), "rotations": np.ones(20, int)}, "rotation_of", 4, "is empty"),
    ],
)
def test_every_broken_rule_names_file_array_and_row(run, changes, array, row, said):
    change_shard(run, **changes)
    faults = data.validate_run(run)
    assert [(p.file, p.array, p.row) for p in faults] == [(shard_file(0), array, row)]
    assert said in str(faults[0])
    with pytest.raises(data.ContractError, match="cannot be used"):
        data.read_run(run)


def test_all_faults_are_reported_not_the_first(run):
    change_shard(run, loglik=put(np.nan, 3, 0, 0, 0), label=put(9, 1), x2_mean=put(np.inf, 0, 0))
    assert {fault.array for fault in data.validate_run(run)} == {"loglik", "label", "x2_mean"}


def test_a_fault_in_every_row_is_summarised(run):
    change_shard(run, loglik=lambda x: np.full_like(x, np.nan))
    (fault,) = data.validate_run(run)
    assert "and 15 more rows" in fault.message


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema_version": SCHEMA_VERSION + 1}, "newer than this program"),
        ({"schema_version": "one"}, "should be an integer"),
        ({"schema_version": 0}, "cannot be migrated"),
        ({"finished": False, "num_samples": 40, "shard_size": 20}, "1 of 2 shards"),
        ({"num_samples": 0}, "empty"),
        ({"layers": [1, 3]}, "should end with the output"),
        ({"conditions": ["both", "vision_only"]}, "lacks 'language_only'"),
        ({"poolings": ["max"]}, "poolings"),
        ({"colour": "red"}, "unknown key `colour`; known are .*; if a newer pid-lvlm wrote it, upgrade"),
        ({"dataset_rows": ["many"]}, "`dataset_rows` should give numbers of rows as read, chosen, kept and `dropped`"),
        ({"dataset_rows": {"read": 3, "chosen": 3, "kept": 3}}, "`dataset_rows` should give"),
        ({"dataset_rows": {"read": 3, "chosen": 3, "kept": -1, "dropped": {}}}, "`dataset_rows` should give"),
        ({"dataset_rows": {"read": 3, "chosen": 3, "kept": 2, "dropped": {"bad": "1"}}}, "`dataset_rows` should give"),
        ({"num_layers": "two"}, "`num_layers` should be an integer, found 'two'"),
    ],
)
def test_manifest_faults(run, changes, said):
    change_manifest(run, **changes)
    with pytest.raises(data.ContractError, match=said):
        data.read_run(run)


def test_a_manifest_from_before_a_field_is_valid(run):
    path = run / MANIFEST_FILE
    fields = json.loads(path.read_text())
    del fields["dataset_rows"]
    path.write_text(json.dumps(fields))
    assert data.validate_run(run) == []
    assert data.read_manifest(run).dataset_rows == {}


def test_an_optional_array_that_a_shard_lacks_is_left_out(run):
    """As in a run that an older version began and this one finished."""
    change_manifest(run, num_samples=40, shard_size=20, checksums={})
    first, second = run / shard_file(0), run / shard_file(1)
    second.write_bytes(first.read_bytes())
    change_shard(run, sample_id=np.array([f"other-{i}" for i in range(20)]), letters=np.array(["ABCD"] * 20))
    read = data.read_run(run)
    assert len(read) == 40
    assert "letters" not in read.arrays


def test_older_schema_is_migrated(run, monkeypatch):
    change_manifest(run, schema_version=0, model=None, name="old")
    monkeypatch.setitem(
        MIGRATIONS, 0, lambda raw: {k: v for k, v in raw.items() if k != "name"} | {"model": raw["name"]}
    )
    assert data.read_run(run).manifest.model == "old"


def test_truncated_shard(run):
    path = run / shard_file(0)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(data.ContractError, match=r"shard-00000.npz`: damaged or truncated"):
        data.read_run(run)


def test_missing_shard_and_folder_and_manifest(run, tmp_path):
    (run / shard_file(0)).unlink()
    with pytest.raises(data.ContractError, match="missing; run the same"):
        data.read_run(run)
    with pytest.raises(data.ContractError, match="does not exist"):
        data.read_run(tmp_path / "nowhere")
    with pytest.raises(data.ContractError, match="not a run folder"):
        data.read_run(tmp_path)


def test_partial_run_is_used_on_request(run):
    change_manifest(run, finished=False, num_samples=40, shard_size=20)
    assert len(data.read_run(run, allow_partial=True)) == 20


def test_unneeded_poolings_stay_on_disk(tmp_path):
    x = {"mean": np.zeros((4, 2)), "max": np.ones((4, 2))}
    folder = data.write_run(tmp_path / "r", model="m", dataset="d", loglik=np.zeros((4, 3, 2)), x1=x, x2=x)
    assert "x1_max" not in data.read_run(folder, poolings=("mean",)).arrays
    only_max = data.read_run(folder, poolings=("max",))
    assert "x1_mean" not in only_max.arrays
    with pytest.raises(data.ContractError, match="no pooling 'last'"):
        only_max.features(1, "last")


@pytest.mark.parametrize("poolings", [None, ("mean",)])
def test_a_shard_of_a_newer_schema_is_named(run, poolings):
    path = run / data.names.shard_file(0)
    np.savez(path, **np.load(path), x3_mean=np.zeros(3))
    with pytest.raises(data.ContractError, match="`x3_mean`: unknown array; if a newer pid-lvlm wrote it, upgrade"):
        data.read_run(run, poolings=poolings)


def test_write_run_refuses_a_folder_in_use_and_bad_arrays(run, tmp_path):
    arrays = {"loglik": np.zeros((4, 3, 2)), "x1": np.zeros((4, 2)), "x2": np.zeros((4, 2))}
    before = sorted(run.iterdir())
    with pytest.raises(data.OutputExistsError, match="not empty"):
        data.write_run(run, model="m", dataset="d", **arrays)
    assert sorted(run.iterdir()) == before
    with pytest.raises(data.ContractError, match="3 or 4 conditions"):
        data.write_run(tmp_path / "x", model="m", dataset="d", **(arrays | {"loglik": np.zeros((4, 2))}))
    with pytest.raises(data.ContractError, match="argument `x2`: expected shape"):
        data.write_run(tmp_path / "x", model="m", dataset="d", **(arrays | {"x2": np.zeros((3, 2))}))
    assert not (tmp_path / "x").exists()


def test_find_runs_expands_folders_of_runs(tmp_path, make_run):
    names = [make_run(tmp_path / "runs" / name, n=8) for name in ("tune-100", "tune-15", "align-240")]
    assert data.find_runs([tmp_path / "runs"]) == [names[2], names[1], names[0]]
    assert data.find_runs(names) == names
    with pytest.raises(data.ContractError):
        data.find_runs([tmp_path])


def test_full_disk_leaves_nothing_half_written(tmp_path):
    script = (
        "import resource, signal, sys, pathlib\n"
        "from pid_lvlm.data.command.console import run_command\n"
        "from pid_lvlm.data.files import write_atomic\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "run_command('x', lambda **_: write_atomic(pathlib.Path(sys.argv[1]), bytes(5000)))\n"
    )
    target = tmp_path / "shard.npz"
    done = subprocess.run([sys.executable, "-c", script, str(target)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: cannot write")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"loglik": np.zeros((20, 2, 4))}, "argument `loglik`: expected shape"),
        ({"x1": np.full((20, 3), np.nan)}, "argument `x1`, row 0: holds NaN"),
        ({"x2": {"mean": np.ones((20, 3)), "max": np.ones((20, 4))}}, 'argument `x2["max"]`: expected shape (20, 3)'),
        ({"num_options": np.full(20, 9)}, "argument `num_options`, row 0: more options"),
        ({"layers": (2, 1)}, "arguments: `layers` should"),
    ],
)
def test_errors_of_write_run_speak_of_arguments(tmp_path, changes, said):
    given = {"loglik": np.log(np.full((20, 3, 4), 0.25)), "x1": np.ones((20, 3)), "x2": np.ones((20, 3))}
    if "layers" in changes:
        given["loglik"] = np.log(np.full((20, 3, 2, 4), 0.25))
    with pytest.raises(data.ContractError) as caught:
        data.write_run(tmp_path / "new", model="m", dataset="d", **(given | changes))
    assert "cannot be written" in str(caught.value)
    assert said in str(caught.value)
    assert not (tmp_path / "new").exists()
