"""Arguments of `write_run`: scalars become plain, what would change silently is refused, nothing half-written."""

import errno
import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pid_lvlm import data
from pid_lvlm.data.contract.schema.manifest import Manifest
from pid_lvlm.data.contract.writing.write_run import FROM_ARRAYS
from pid_lvlm.data.files import sha256
from pid_lvlm.data.locks import locked
from pid_lvlm.data.names import MANIFEST_FILE, shard_file

N = 4


def arguments(**changes: Any) -> dict[str, Any]:
    scores = np.log(np.full((N, 3, 2), 0.5))
    given_ = {"model": "m", "dataset": "d", "loglik": scores, "x1": np.ones((N, 3)), "x2": np.ones((N, 2))}
    return {name: value for name, value in (given_ | changes).items() if value is not None}


def refused(folder: Path, **changes: Any) -> str:
    """The error, which is a ValueError and a TypeError of ours; nothing is written."""
    with pytest.raises(data.ContractError) as caught:
        data.write_run(folder, **arguments(**changes))
    assert isinstance(caught.value, data.PidError)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, TypeError)
    assert "cannot be written" in str(caught.value)
    assert not list(folder.parent.iterdir())
    return str(caught.value)


def test_scalars_paths_and_plain_python_alike(tmp_path: Path) -> None:
    typed = {
        "model": Path("models/mine"),
        "dataset": np.str_("toy"),
        "step": np.int64(40),
        "size_b": np.float32(0.5),
        "num_parameters": np.uint8(7),
        "ground_truth": {np.str_(name): np.float64(0.25) for name in data.names.ATOMS},
        "candidates": {"token_ids": {"A": np.array([1, 2])}, "seen": (np.bool_(True), None)},
        "versions": {"torch": np.str_("2")},
        "layers": np.array([3]),
        "label": [np.int8(1), 0, 1.0, -1],
        "sample_id": (np.str_("a"), "b", 3, np.int64(4)),
    }
    plain = {
        "model": "models/mine",
        "dataset": "toy",
        "step": 40,
        "size_b": 0.5,
        "num_parameters": 7,
        "ground_truth": dict.fromkeys(data.names.ATOMS, 0.25),
        "candidates": {"token_ids": {"A": [1, 2]}, "seen": [True, None]},
        "versions": {"torch": "2"},
        "layers": [3],
        "label": [1, 0, 1, -1],
        "sample_id": ["a", "b", "3", "4"],
    }
    one, other = (data.write_run(tmp_path / name / "run", **arguments(**fields)) for name, fields in (("a", typed), ("b", plain)))  # fmt: skip  # noqa: E501
    for file in (MANIFEST_FILE, shard_file(0)):
        assert (one / file).read_bytes() == (other / file).read_bytes()
    assert data.validate_run(one) == []
    checksums = json.loads((one / MANIFEST_FILE).read_text())["checksums"]
    assert checksums == {shard_file(0): sha256((one / shard_file(0)).read_bytes())}


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"label": ["A", "B", "A", "B"]}, ["`label`", "integers of shape (4,)", "<U1"]),
        ({"label": [0, 1, 0.5, 1]}, ["`label`, row 2", "expected integers, found 0.5"]),
        ({"label": [0, 1, np.nan, 1]}, ["`label`, row 2", "expected integers, found nan"]),
        ({"label": [0, 1, None, 1]}, ["`label`", "object"]),
        ({"label": [True, False, True, False]}, ["`label`", "found a list of shape (4,) and bool"]),
        ({"label": np.array([1 + 1j] * N)}, ["`label`", "complex128"]),
        ({"label": [2**64, 0, 0, 0]}, ["`label`"]),
        ({"label": np.array([2**63, 0, 0, 0], np.uint64)}, ["`label`, row 0", "expected integers, found 9223372036"]),
        ({"label": [0, 1]}, ["`label`", "expected shape (4,) (n), found (2,)"]),
        ({"label": 0}, ["`label`", "expected shape (4,) (n), found ()"]),
        ({"label": np.ma.masked_array([0, 1, 0, 1], mask=[0, 0, 1, 0])}, ["`label`", "masked"]),
        ({"num_options": [2, 2, 2.5, 2]}, ["`num_options`, row 2", "expected integers, found 2.5"]),
        ({"loglik": [[[-1.0, -1.0]] * 3, [[-1.0]] * 3]}, ["`loglik`", "(n, c, k)", "found a list (setting an array"]),
        ({"loglik": np.zeros((N, 3, 2), complex)}, ["`loglik`", "complex128"]),
        ({"loglik": np.zeros((N, 3, 2), bool)}, ["`loglik`", "bool"]),
        ({"loglik": np.zeros((N, 3, 2), object)}, ["`loglik`", "object"]),
        ({"loglik": np.zeros((0, 3, 2))}, ["`loglik`", "at least one row", "(0, 3, 2)"]),
        ({"loglik": np.zeros((N, 3, 2, 0))}, ["`loglik`", "at least one", "(4, 3, 2, 0)"]),
        ({"loglik": "scores"}, ["`loglik`", "found a str of shape () and <U6"]),
        ({"loglik": np.full((N, 3, 2), -1e300)}, ["`loglik`, row 0", "-1e+300 is too large for float32"]),
        ({"loglik": np.full((N, 3, 1), -1.0)}, ["`max_options` should be at least 2, found 1"]),
        ({"x1": [[1.0, 2.0], [3.0], [1.0, 2.0], [1.0, 2.0]]}, ["`x1`", "found a list"]),
        ({"x1": np.ones((N, 3)) * 1j}, ["`x1`", "numbers of shape (4, d1)", "complex128"]),
        ({"x1": np.array([["a"]] * N)}, ["`x1`", "<U1"]),
        ({"x1": np.ones(N)}, ["`x1`", "expected shape (4, d1), found (4,)"]),
        ({"x1": np.ones((N, 0))}, ["`x1`", "expected shape (4, d1), found (4, 0)"]),
        ({"x2": {"maen": np.ones((N, 2))}}, ["`x2`", "unknown pooling 'maen'; did you mean `mean`?"]),
        ({"x2": {}}, ["`x2`", "lacks the pooling 'mean'"]),
        ({"sample_id": "abcd"}, ["`sample_id`", "expected 4 texts, found 'abcd'"]),
        ({"sample_id": ["a", "b", "c"]}, ["`sample_id`", "expected shape (4,)", "found 3"]),
        ({"sample_id": ["a", "b", None, "d"]}, ["`sample_id`, row 2", "expected text, found None"]),
        ({"sample_id": [b"a", b"b", b"c", b"d"]}, ["`sample_id`, row 0", "expected text, found b'a'"]),
        ({"sample_id": ["a", "b", "a", "d"]}, ["`sample_id`, row 2", "occurs twice"]),
        ({"sample_id": ["a", "b", "\ud800", "d"]}, ["`sample_id`, row 2"]),
        ({"group_id": [0.5, 1, 2, 3]}, ["`group_id`, row 0", "expected text, found 0.5"]),
        ({"layers": [1, 2]}, ["`layers`", "expected shape (1,)"]),
        ({"layers": [1.5]}, ["`layers`, row 0", "expected integers, found 1.5"]),
        ({"layers": ["last"]}, ["`layers`", "integers"]),
        ({"step": 1.5}, ["`step` should be an integer, found 1.5"]),
        ({"step": np.float64("nan")}, ["`step`"]),
        ({"size_b": "7"}, ["`size_b` should be a number, found '7'"]),
        ({"size_b": Fraction(1, 2)}, ["`size_b`", "of type Fraction"]),
        ({"model": 7}, ["`model` should be text, found 7"]),
        ({"model": b"m"}, ["`model` should be text, a number", "found b'm' of type bytes"]),
        ({"model": "a\nb"}, ["`model` should be text on one line"]),
        ({"famly": "x"}, ["`famly`", "did you mean `family`?"]),
        ({"num_samples": 4}, ["`num_samples`", "follows from the arrays; leave it out"]),
        ({"ground_truth": {"synergy": 1}}, ["`ground_truth` should give bits for"]),
        ({"candidates": {"a": {1, 2}}}, ["`candidates.a`", "of type set"]),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, changes: dict[str, Any], parts: list[str]) -> None:
    message = refused(tmp_path / "new", **changes)
    for part in parts:
        assert part in message


def test_faults_of_several_arguments_are_told_together(tmp_path: Path) -> None:
    message = refused(tmp_path / "new", label=["x"] * N, x1=np.ones((N, 3)) * 1j, sample_id=[None] * N)
    assert all(f"argument `{name}`" in message for name in ("label", "x1", "sample_id"))


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.fractions(),
    st.dates(),
    st.sampled_from(
        [Path("x"), np.int64(3), np.float32(0.5), np.datetime64("2020"), np.zeros(0), np.array(2), {1}, object, list]
    ),
)
VALUES = st.one_of(
    ODD,
    st.lists(ODD, min_size=N, max_size=N),
    st.lists(st.lists(st.floats(), max_size=3), min_size=N, max_size=N),
    st.dictionaries(st.text(max_size=2) | st.integers(), ODD, max_size=2),
    st.sampled_from([np.zeros((N, 2), dtype) for dtype in "?bBhqQefdFDgUSOVmM" if dtype not in "mM"]),
)
NAMES = sorted(
    {*arguments(), "num_options", "label", "sample_id", "group_id", "layers"} | set(Manifest.__dataclass_fields__)
)


@given(st.dictionaries(st.sampled_from(NAMES), VALUES, min_size=1, max_size=2))
@example({"group_id": np.array(2)})
@example({"label": np.zeros((4, 2), np.float16)})
@example({"sample_id": list})
@settings(max_examples=200, deadline=None)
def test_any_arguments_are_written_whole_or_refused(
    tmp_path_factory: pytest.TempPathFactory, changes: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("any") / "run"
    error = None
    try:
        data.write_run(folder, **(arguments() | changes))
    except data.ContractError as caught:
        error = str(caught)
    if error is not None:
        assert not list(folder.parent.iterdir())
        assert len(error) < 5000
        assert any(f"`{name}" in error or f"`{name[:2]}" in error for name in changes), error
        return
    assert data.validate_run(folder) == []
    if changes.get("label") is not None:
        assert data.read_run(folder).arrays["label"].tolist() == np.asarray(changes["label"]).tolist()
    assert not FROM_ARRAYS & set(changes)


@pytest.mark.parametrize("failing", [1, 2])
def test_a_failing_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int) -> None:
    calls = []

    def fsync(_descriptor: int) -> None:
        calls.append(1)
        if len(calls) == failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pid_lvlm.data.files.os.fsync", fsync)
    with pytest.raises(data.PidError, match="cannot write .*No space left on device"):
        data.write_run(tmp_path / "new", **arguments())
    assert len(calls) == failing
    assert not list(tmp_path.iterdir())


def test_another_process_writes_the_folder(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib\nfrom pid_lvlm.data.locks import locked\n"
        "with locked(pathlib.Path(sys.argv[1]), 'pid-extract'):\n    print('held', flush=True); sys.stdin.read()\n"
    )
    folder = tmp_path / "new"
    command = [sys.executable, "-c", script, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(
            data.PidError, match=rf"is being written by pid-extract \(process {other.pid} on .*\) since 2"
        ):
            data.write_run(folder, **arguments())
        other.kill()
    data.write_run(folder, **arguments())
    with locked(folder, "a test"):
        assert data.validate_run(folder) == []
    assert data.find_runs([tmp_path]) == [folder]


@pytest.mark.parametrize("folder", [3, None, "a\0b", "x" * 5000])
def test_a_folder_that_cannot_be(folder: Any) -> None:
    with pytest.raises(data.ContractError, match="argument `folder`: expected the path of a folder"):
        data.write_run(folder, **arguments())
