"""The GPU's checks: each in its own process and within its limit, none lost because another failed."""

import json
from pathlib import Path

import pytest

from benchmarks import device_scores, gpu
from tests.benchmarks.test_benchmarks import run_module


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Four checks: one that prints JSON, one that fails, one that needs it, one that never ends."""
    said = tmp_path / "said.jsonl"
    said.write_text('{"first": 1}\n{"seconds": 2.5}\n')
    checks = [
        gpu.Check("fine", 20, ("json.tool", "--json-lines", "--compact", str(said))),
        gpu.Check("broken", 20, ("json.tool", str(tmp_path / "missing"))),
        gpu.Check("after", 20, ("json.tool", "--help"), needs="broken"),
        gpu.Check("endless", 1, ("http.server", "0")),
    ]
    monkeypatch.setattr(gpu, "checks", lambda scratch: checks)


def test_every_check_leaves_a_line(planned: None, tmp_path: Path) -> None:
    assert gpu.main(["--out", str(tmp_path / "out")]) == 1
    lines = [json.loads(line) for line in (tmp_path / "out" / "gpu.jsonl").read_text().splitlines()]
    assert [(line["check"], line["ended"]) for line in lines] == [
        ("fine", "ok"), ("broken", "failed"), ("endless", "stopped at its limit"),
    ]  # fmt: skip
    assert lines[0]["printed"] == {"seconds": 2.5}
    assert "missing" in lines[1]["printed"][-1]
    assert (tmp_path / "out" / "broken.log").is_file()


def test_checks_are_chosen_and_a_spent_time_leaves_them_out(
    planned: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gpu.main(["--out", str(tmp_path / "out"), "--only", "fine"]) == 0
    assert gpu.main(["--out", str(tmp_path / "out"), "--only", "fine", "--seconds", "0"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "fine: left out"
    with pytest.raises(SystemExit):
        gpu.main(["--out", str(tmp_path / "out"), "--only", "fin"])
    assert "--only: unknown check fin; expected fine, broken, after, endless" in capsys.readouterr().err


def test_every_command_exists() -> None:
    done = run_module("gpu", "--out", "unused", "--dry-run")
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        module = line.split(" python -m ")[1].split()[0].replace(".", "/")
        assert Path(f"{module}.py").is_file() or Path(module, "__main__.py").is_file(), line


@pytest.mark.slow
def test_a_device_agrees_with_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert device_scores.main(["--items", "24", "--devices", "cpu", "cpu", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    differences = {name: value for name, value in found.items() if isinstance(value, float)}
    assert {"loglik", "x1_mean", "x2_mean"} < set(differences)
    assert set(differences.values()) == {0.0}
