"""The baseline is the published procedure, and every benchmark command runs and prints JSON. No timing is asserted."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from tests import CHECKPOINT, ROOT

FILES = ROOT / "tests" / "golden"
ESTIMATE = ("--problems", "2", "--rows", "1024", "--features", "8", "--options", "2", "--epochs", "1", "--repeat", "1")


Call = Callable[..., tuple[int | str, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a benchmark in this process, which has loaded what it needs; its exit code and what it printed."""
    monkeypatch.chdir(ROOT)

    def run(name: str, *arguments: object) -> tuple[int | str, str, str]:
        try:
            code = import_module(f"benchmarks.{name}").main([*map(str, arguments)])
        except SystemExit as left:
            code = left.code
        return (code, *capsys.readouterr())

    return run


def run_module(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """In a process of its own, for what may be set only before jax looks at its devices."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def printed(name: str, *arguments: object) -> dict:
    done = run_module(name, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    return json.loads(done.stdout)


def replay(call: Call, name: str, *arguments: object) -> list[str]:
    code, output, errors = call("replay_golden", FILES / f"{name}.npz", *arguments)
    assert code == 0, output + errors
    return output.split()


@pytest.mark.parametrize(
    ("name", "steps"), [("weak_long_k3", 8), pytest.param("synergy_k4", 2, marks=pytest.mark.slow)]
)
def test_baseline_replays_a_golden_file(call, name, steps):
    words = replay(call, name, "--steps", steps)
    assert float(words[words.index("train") + 1]) < 1e-4
    assert float(words[words.index("gradient") + 1]) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["inconsistent_k4", "language_k2", "mixed_k4", "variable_options_k4", "tail_k3"])
def test_baseline_replays_whole_files(call, name):
    words = replay(call, name)
    assert float(words[words.index("test") + 1]) < 1e-4


def test_a_recorded_fit_has_the_form_of_the_others(call, tmp_path):
    code, _, errors = call("record_golden", "uniform_k4", "--out", tmp_path)
    assert code == 0, errors
    with np.load(tmp_path / "uniform_k4.npz") as ours, np.load(FILES / "mixed_k4.npz") as theirs:
        assert set(ours) == set(theirs)
        assert all(ours[name].dtype == theirs[name].dtype and ours[name].ndim == theirs[name].ndim for name in ours)


def test_unknown_regime_is_said(call, tmp_path):
    code, _, errors = call("record_golden", "nonsense", "--out", tmp_path)
    assert code == 2
    assert "no such regime: nonsense" in errors


@pytest.mark.slow
def test_estimate_scaled():
    """Also the only place where fits are spread over devices and compared with something else."""
    found = printed("estimate", *ESTIMATE, "--baseline-steps", 1, "--devices", 2)
    assert found["our_devices"] == 2
    assert found["scaled"]
    assert any("1 of 3 training steps" in note for note in found["notes"])
    assert found["steps_compared"] == 1
    assert found["largest_difference_bits"] < 1e-3


@pytest.mark.slow
def test_estimate_in_full():
    found = printed("estimate", *ESTIMATE, "--baseline-problems", 2, "--sinkhorn-stop", "published")
    assert not found["scaled"]
    assert found["steps_compared"] == found["steps"] == 3
    assert found["largest_difference_bits"] < 1e-4


def test_opening(call):
    code, output, errors = call("opening", "--runs", 2, "--rows", 20, "--features", 4, "--repeat", 1, "--json")
    assert code == 0, errors
    found = json.loads(output)
    assert found["runs"] == 2
    assert min(found["open_seconds"], found["read_gigabytes_per_second"], found["hash_gigabytes_per_second"]) > 0


@pytest.mark.slow
def test_scaling():
    found = printed("scaling", "--vary", "layers", "--points", 1, "--epochs", 1, "--repeat", 1, "--devices", 1)
    (point,) = found["points"]
    assert (point["varied"], point["problems"], point["steps"], point["layers_share_features"]) == (
        "layers",
        1,
        4,
        True,
    )
    assert point["seconds_per_problem"] > 0


@pytest.mark.slow
def test_grid():
    sizes = ("--parts", 1, "--share", 0.05, "--rows", 1100, "--features", 8)
    found = printed("grid", *sizes, "--epochs", 1, "--repeat", 1, "--devices", 1)
    assert found["problems"] == found["parts"][0]["problems"] == 1
    assert found["seconds"] > 0
    count = [sys.executable, "-c", "from benchmarks.grid import GRID; print(sum(part.problems for part in GRID))"]
    assert subprocess.run(count, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip() == "520"


@pytest.mark.slow
def test_layers():
    sizes = ("--layers", 2, "--seeds", 1, "--rows", 400, "--features", 4)
    done = run_module("layers", *sizes, "--json", "--", "--epochs", 1, "--batch-size", 64)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["fits"] == 2
    assert found["seconds"] > 0


@pytest.mark.slow
def test_dry_run(call):
    code, output, errors = call("dry_run", "--items", 3, "--runs", 2, "--repeat", 1, "--json")
    assert code == 0, errors
    found = json.loads(output)
    assert (found["items"], found["runs"]) == (3, 2)
    assert found["extract_cpu_seconds"] > 0
    assert found["estimate_ratio"] > 0


def test_layers_passes_on_what_the_command_says(call):
    said, *_ = call("layers", "--layers", 1, "--rows", 20, "--features", 2, "--", "--epochs", 0)
    assert (
        "--epochs: expected an integer from 1 to 1000000, found 0" in said
    )  # the text that Python prints before it exits with 1


def test_too_few_rows_are_said(call):
    code, _, errors = call("estimate", "--rows", "1000")
    assert code == 2
    assert "--rows: expected at least 1024, found 1000" in errors


def test_extract(call):
    card = "data/demo/items/fusion.toml"
    options = ("--items", 4, "--repeat", 0, "--ablation", "other", "--json")
    code, output, errors = call("extract", "--model", CHECKPOINT, "--data", card, *options)
    assert code == 0, errors
    found = json.loads(output)
    assert found["items"] == 4
    assert found["same_first_tokens"] == 1
    assert found["shares_prefix"]
    assert found["largest_difference_by_sharing"] < 1e-5
    prompt = found["baseline_decoder_tokens_per_sample"] / 3
    assert 2 * prompt < found["our_decoder_tokens_per_sample"] < 4 * prompt
    assert 2 * prompt < found["our_real_tokens_per_sample"] <= found["our_decoder_tokens_per_sample"]
    assert 0 <= found["padding_share"] <= found["padding_share_by_text_length"] < 0.2
    assert found["items_per_picture"] == 1
    assert 0 < found["share_of_peak"] < 1
    assert found["our_seconds_per_decoder_token"] > 0
    assert found["plain_forward_seconds_per_decoder_token"] > 0
    assert 0.5 < found["ratio_of_operations"] < 3
    assert found["ablation_conditions"] == 3
    assert found["ablation_decoder_tokens_per_sample"] < 0.8 * found["ablation_decoder_tokens_per_sample_unshared"]
    assert found["ablation_largest_difference_by_sharing"] < 1e-5


def test_extract_says_what_is_wrong(call, tmp_path):
    code, _, errors = call("extract", "--model", tmp_path, "--data", "data/demo/items/fusion.toml")
    assert code == 2
    assert "has no config.json" in errors


def test_the_hash_of_a_checkpoint_prints_json(call: Call, tmp_path: Path) -> None:
    _, output, _ = call("fingerprint", "--gigabytes", 0.02, "--shard-gigabytes", 0.01, "--folder", tmp_path, "--json")
    found = json.loads(output)
    assert set(found["seconds"]) == {"all_bytes", "remembered", "both_ends"}
    assert list(tmp_path.iterdir()) == []


def test_exact(call):
    code, output, errors = call("exact", "--rows", 40, "--tol-bits", 0.05, "--devices", 1, "--json")
    assert code == 0, errors
    found = json.loads(output)
    assert len(found["points"]) == 8
    assert 0 <= found["gap_bits"]["worst"] <= 0.05


def test_closed_forms_of_the_accuracy_study_are_right():
    """Their identities hold, and a conic solver finds the same redundancy."""
    from benchmarks.baselines.conic import conic_optimum
    from benchmarks.inputs.accuracy_problems import known_problems

    problems = list(known_problems())
    assert {problem.part for problem in problems} == {"closed form", "demo world"}
    for problem in problems:
        first, second = problem.masses
        np.testing.assert_allclose(first.sum(0), second.sum(0), atol=1e-12)
        p_y = _entropy(first.sum(0))
        i1, i2 = (p_y + _entropy(masses.sum(1)) - _entropy(masses.ravel()) for masses in (first, second))
        found = conic_optimum(first, second)
        redundancy, unique1, unique2, _ = problem.atoms
        assert redundancy + unique1 == pytest.approx(i1, abs=1e-8), problem.name
        assert redundancy + unique2 == pytest.approx(i2, abs=1e-8), problem.name
        assert found.low - 1e-6 <= i1 + i2 - redundancy <= found.high + 1e-6, problem.name
        joint = p_y - problem.weights @ _entropy(problem.pairs)
        assert sum(problem.atoms) == pytest.approx(joint, abs=1e-8), problem.name


def _entropy(p: np.ndarray) -> np.ndarray:
    return -(p * np.log2(np.where(p > 0, p, 1))).sum(-1)


@pytest.mark.slow
def test_accuracy(call):
    code, output, errors = call("accuracy", "--quick", "--json")
    assert code == 0, errors
    rows = json.loads(output)["rows"]
    assert {row["estimator"] for row in rows} >= {"exact 1e-03", "exact 1e-04", "BATCH paper", "BATCH default", "conic"}
    for row in rows:
        if row["estimator"].startswith(("exact", "conic")):
            assert row["atom_error_bits"] <= row["gap_bits"] + row["truth_width_bits"] + 1e-7
        if row["estimator"].startswith("BATCH"):
            assert row["excess_bits"] > -0.01  # an upper bound, up to the sampling of its batches
