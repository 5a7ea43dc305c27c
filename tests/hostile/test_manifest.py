"""A manifest is input: whatever it says, everyone agrees whether it is valid, and faults are clear sentences."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pid_jax.config import make_config
from pid_jax.sweep.plan import Plan, plan_runs
from pid_jax.sweep.protocol import Chunk, ProblemRef
from pid_jax.sweep.stream import Reader
from pid_lvlm import data
from pid_lvlm.data.errors import PidError
from pid_lvlm.data.names import ATOMS, MANIFEST_FILE

CONFIG = make_config("default", batch_size=16, epochs=1, seeds=(0,), estimator="batch")
FIELDS = sorted(data.Manifest.__dataclass_fields__)
LONGEST = 3000
"""Characters of a message, however long what it is about."""

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 70),
    st.integers(),
    st.sampled_from([10**9, 2**63, 10**400, -1, 0]),
    st.floats(),
    st.text(max_size=5),
    st.text(st.characters(categories=["Cs", "Cc", "Zl", "Cf"]), max_size=3),
    st.sampled_from(["x" * 100_000, "both", "mean", "../../x", "a" * 64]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*ATOMS, "read", "a"]), inner),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, make_run: Callable[..., Path]) -> Path:
    return make_run(tmp_path_factory.mktemp("manifests") / "run", n=48, d=3, layers=2)


@pytest.fixture(scope="module")
def fields(run: Path) -> dict[str, Any]:
    return json.loads((run / MANIFEST_FILE).read_text())


def estimate_reads(run: Path) -> bool:
    """Whether pid-estimate plans the run and reads its arrays."""
    try:
        plan = plan_runs([run], CONFIG)
    except PidError:
        return False
    (planned,) = plan.runs
    chunk = Chunk(tuple(ProblemRef(0, key, name) for key, name in zip(planned.keys, planned.ids, strict=True)))
    return bool(Reader(Plan(plan.runs), CONFIG).read(chunk))


def opens(run: Path) -> bool:
    try:
        data.outline_run(run)
        data.read_run(run)
    except data.ContractError:
        return False
    return True


def all_agree(run: Path) -> bool:
    """Whether the run is valid; every reader says the same, and says it well."""
    faults = data.validate_run(run)
    assert opens(run) == (not faults)
    assert estimate_reads(run) == (not faults), faults
    text = "".join(map(str, faults))
    assert len(text) < LONGEST
    assert text.isprintable()
    text.encode()
    assert all(fault.file == MANIFEST_FILE or fault.array or "`" in str(fault) for fault in faults)
    return not faults


@given(st.dictionaries(st.sampled_from([*FIELDS, "colour", "\ud800\n"]), VALUES, min_size=1, max_size=3))
@example({"model": "other"})
@example({"step": 10**18, "size_b": 7, "candidates": {"A": [1, {"deep": None}]}})
@example({"ground_truth": dict.fromkeys(ATOMS, 0.5), "noise_sites": {"vision": "all of it"}})
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_value_in_any_field(run: Path, fields: dict[str, Any], changes: dict[str, Any]) -> None:
    (run / MANIFEST_FILE).write_text(json.dumps(fields | changes))
    if all_agree(run):
        read = asdict(data.read_manifest(run))
        assert all(
            read[name] == (tuple(value) if isinstance(value, list) else value) for name, value in changes.items()
        )


TOKENS = [b"[" * 5000, b'{"a":' * 5000, b"NaN", b"1e999", b"-Infinity", b'"\\ud800"', b"\xff", b"\0", b"9" * 5000, b"}"]


@given(st.integers(0, 2000), st.integers(0, 40), st.sampled_from([*TOKENS, b"", b"1", b'"', b","]))
@example(0, 2000, b"[]")
@example(0, 0, b"\xef\xbb\xbf")
@settings(max_examples=40, deadline=None)
def test_any_bytes(run: Path, fields: dict[str, Any], start: int, length: int, token: bytes) -> None:
    text = json.dumps(fields, indent=1).encode()
    start %= len(text)
    (run / MANIFEST_FILE).write_bytes(text[:start] + token + text[start + length :])
    all_agree(run)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"step": 10**400}, "`step` should be at most"),
        ({"num_samples": 2e9}, "`num_samples` should be an integer"),
        ({"num_samples": 2 * 10**9}, "`num_samples` should be at most 100000000"),
        (
            {"num_samples": 10**8, "shard_size": 1},
            "need 100,000,000 files; at most 100,000 files: choose a larger --shard-size",
        ),
        ({"num_layers": 10**7, "layers": [10**7]}, "`num_layers` should be at most 10000"),
        ({"model": "\ud800"}, "contains U+D800, half of a character, which is not text, as `model`"),
        ({"model": "a\u2028b"}, "`model` should be text on one line without control characters, but has U+2028"),
        ({"model": "x" * 100_000}, "`model` should be at most 1000 characters long"),
        ({"size_b": float("nan")}, "contains NaN, which is not a number of JSON, as `size_b`"),
        ({"noise_sites": {"vision": 3}}, "`noise_sites.vision` should be text, found 3"),
        ({"versions": ["torch"]}, "`versions` should be named values, found ['torch']"),
        ({"ground_truth": {"synergy": 1.0}}, "`ground_truth` should give bits for redundancy"),
        ({"ground_truth": dict.fromkeys(ATOMS, "1")}, "`ground_truth.redundancy` should be a number, found '1'"),
        ({"step": True}, "`step` should be an integer, found True"),
        ({"famly": "x"}, "unknown key `famly`; did you mean `family`?"),
        (
            {"checksums": {"../../etc/passwd": "0" * 64}},
            "`checksums` names '../../etc/passwd', which this run does not have",
        ),
        ({"checksums": {"noise_stats.npz": "0" * 64}}, "`checksums` lacks 'shard-00000.npz', but the run is finished"),
    ],
)
def test_examples(run: Path, fields: dict[str, Any], changes: dict[str, Any], said: str) -> None:
    (run / MANIFEST_FILE).write_text(json.dumps(fields | changes))
    assert not all_agree(run)
    with pytest.raises(data.ContractError) as caught:
        data.read_manifest(run)
    assert f"`{MANIFEST_FILE}`: " in str(caught.value)
    assert said in str(caught.value)


def test_deep_nesting(run: Path) -> None:
    (run / MANIFEST_FILE).write_text('{"candidates":' + "[" * 5000 + "]" * 5000 + "}")
    with pytest.raises(data.ContractError, match=r"manifest.json`: has lists or objects nested more than 64"):
        data.read_manifest(run)


def test_what_is_written_is_checked(run: Path, fields: dict[str, Any], tmp_path: Path) -> None:
    manifest = data.Manifest(run="r", model="m", dataset="d\n", layers=(1,), num_layers=1, num_samples=5, max_options=4, d1=3, d2=3)  # fmt: skip  # noqa: E501
    with pytest.raises(data.ContractError, match=r"`dataset` should be text on one line .* has U\+000A"):
        manifest.write(tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("kind", ["directory", "pipe", "link to itself"])
def test_a_manifest_that_is_no_file(run: Path, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "run" / MANIFEST_FILE
    path.parent.mkdir()
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        __import__("os").mkfifo(path)
    else:
        path.symlink_to(path)
    (fault,) = data.validate_run(path.parent)
    assert fault.file == MANIFEST_FILE
    with pytest.raises(data.ContractError):
        data.find_runs([tmp_path])


def test_names_that_no_folder_can_have(tmp_path: Path) -> None:
    with pytest.raises(data.ContractError):
        data.find_runs([tmp_path / ("x" * 5000)])
    assert data.validate_run(tmp_path / ("x" * 5000))


def test_read_only_folders_are_read_without_a_lock(run: Path, fields: dict[str, Any]) -> None:
    (run / MANIFEST_FILE).write_text(json.dumps(fields))
    before = sorted(path.name for path in run.parent.iterdir())
    run.chmod(0o555)
    run.parent.chmod(0o555)
    try:
        assert all_agree(run)
    finally:
        run.parent.chmod(0o755)
        run.chmod(0o755)
    assert sorted(path.name for path in run.parent.iterdir()) == before
    assert np.isfinite(data.read_run(run).arrays["x1_mean"]).all()
