"""`pid-extract --executor` and `--status`: a sweep as jobs is the runs of one plain command."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pid_lvlm.data.cluster.records import jobs_folder
from pid_lvlm.data.cluster.states import RunStatus
from pid_lvlm.data.cluster.status import run_statuses
from pid_lvlm.data.command.result import EXIT_INTERRUPTED, EXIT_WITH_FAILURES
from pid_lvlm.data.locks import lock_holder
from tests import ROOT
from tests.extract.console import Command, assert_one_sentence, extract_command

DEMO = ROOT / "data" / "demo"
RUNS = ("first__demo-fusion", "first__demo-sight", "second__demo-fusion", "second__demo-sight")


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Two models on two datasets."""
    models = {"first": "tune-1000", "second": "tune-2000"}
    path = tmp_path / "sweep.toml"
    path.write_text(
        "".join(
            f'[[models]]\nmodel = "{DEMO}/checkpoints/llava-tiny/{folder}"\nname = "{name}"\nlayers = "last"\n'
            for name, folder in models.items()
        )
        + "".join(f'[[datasets]]\nfile = "{DEMO}/items/{name}.toml"\n' for name in ("fusion", "sight"))
    )
    return path


def test_the_slurm_form_is_printed_and_nothing_is_written(command: Command, sweep: Path, tmp_path: Path):
    line = ("--sweep", sweep, "--out", tmp_path / "runs", "--executor", "slurm", "--slurm", "partition=gpu")
    code, output, errors = command(*line, "--dry-run")
    assert (code, errors) == (0, "")
    assert "#SBATCH --partition=gpu\n" in output
    assert "#SBATCH --array=0-1%2\n" in output
    assert "part 1/2: 2 runs\n  first__demo-fusion\n  first__demo-sight\npart 2/2" in output
    plan = json.loads(command(*line, "--dry-run", "--json", "--jobs", "1")[1])
    assert [one["runs"] for one in plan["parts"]] == [list(RUNS)]
    assert "--array" not in plan["script"]
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.toml"]


def test_options_that_are_wrong(command: Command, sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    line = ("--sweep", sweep, "--out", tmp_path / "runs")
    assert_one_sentence(command(*line, "--executor", "slrum"), "--executor", "did you mean `slurm`")
    assert_one_sentence(command(*line, "--executor", "slurm", "--slurm", "partitoin=a"), "did you mean `partition`")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert_one_sentence(command(*line, "--executor", "slurm"), "this machine has no Slurm", "--dry-run")
    assert_one_sentence(command(*line, "--executor", "local", "--preview", "1"), "--preview runs in this process")
    assert_one_sentence(command("--out", tmp_path / "runs", "--status", "--model", "a/b"), "--status: give models and")
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.toml"]


@pytest.mark.slow
def test_what_is_done_is_not_submitted(command: Command, checkpoint: Path, items: Path, tmp_path: Path):
    line = ("--model", checkpoint, "--data", items, "--out", tmp_path / "runs")
    assert command(*line, "--limit", "8", "--keep-items", "text", "--quiet")[0] == 0
    jobs = ("--executor", "local")
    code, output, _ = command(*line, "--limit", "8", "--keep-items", "text", *jobs, "--json", "--quiet")
    assert code == 0
    assert json.loads(output)["skipped"] == 1
    assert not jobs_folder(tmp_path / "runs").exists()

    def would_run(*options: object) -> bool:
        return bool(json.loads(command(*line, *options, *jobs, "--dry-run", "--json")[1])["done"])

    done = ("--limit", "8", "--keep-items", "text")
    assert not would_run(*done)
    assert not would_run(*done, "--batch-size", "2")
    for others in (
        ("--limit", "9", "--keep-items", "text"),
        ("--keep-items", "text"),
        ("--limit", "8"),
        (*done, "--seed", "1"),
        (*done, "--layers", "last"),
        (*done, "--prompt", "plain"),
        (*done, "--language-span", "question_options"),
        (*done, "--shard-size", "4"),
        (*done, "--letters", "space"),
        (*done, "--dtype", "bfloat16"),
    ):
        assert would_run(*others), others
    next((tmp_path / "runs").glob("*/shard-*.npz")).unlink()
    assert would_run(*done)


def test_status_of_runs_that_are_not_there(command: Command, sweep: Path, tmp_path: Path):
    code, output, _ = command("--sweep", sweep, "--out", tmp_path / "runs", "--status")
    assert code == 0
    assert all(run in output for run in RUNS)
    assert "4 runs: 4 new; 0 % done" in output
    found = json.loads(command("--out", tmp_path / "runs", "--status", "--json")[1])
    assert (found["action"], found["runs"], found["share"]) == ("status", [], 0.0)
    assert command("--out", tmp_path / "runs", "--status")[1] == f"no runs in `{tmp_path / 'runs'}`\n"


def test_status_loads_no_torch(sweep: Path, tmp_path: Path):
    script = (
        "import sys; from pid_lvlm.extract.cli.main import main\n"
        f"sys.argv = ['x', '--sweep', {str(sweep)!r}, '--out', {str(tmp_path / 'runs')!r}, '--status']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "sys.exit(str(set(sys.modules) & {'torch', 'transformers', 'jax', 'polars', 'submitit'} or ''))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stderr.strip() == ""


def wait_until(condition: Callable[[], object], process: "subprocess.Popen[str] | None" = None) -> None:
    ends = time.monotonic() + 240
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < ends
        time.sleep(0.02)


@pytest.mark.slow
def test_a_sweep_as_jobs_is_killed_interrupted_and_finished(sweep: Path, tmp_path: Path):
    settings = ("--sweep", sweep, "--limit", "64", "--shard-size", "4")
    out = tmp_path / "runs"

    def start() -> "subprocess.Popen[str]":
        line = [sys.executable, "-m", "pid_lvlm.extract.cli.main", *map(str, settings), "--out", str(out)]
        return subprocess.Popen(
            [*line, "--executor", "local", "--jobs", "2"],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def at_work() -> list[RunStatus]:
        return [one for one in run_statuses(out, RUNS) if one.state == "running" and one.done]

    # One job's command is killed; the other job goes on.
    process = start()
    wait_until(at_work, process)
    killed = at_work()[0]
    found = re.search(r"pid-extract \(process (\d+) on .*\) since 20", killed.note)
    assert found is not None
    os.kill(int(found[1]), signal.SIGKILL)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == EXIT_WITH_FAILURES, errors
    assert f"failed: {killed.run}: the command ended with the signal SIGKILL (log: `{jobs_folder(out)}" in errors
    states = {one.run: one.state for one in run_statuses(out, RUNS)}
    assert list(states.values()).count("complete") >= 2
    assert states[killed.run] == "failed"
    code, output, _ = extract_command(*settings, "--out", out, "--status", "--json")
    assert code == EXIT_WITH_FAILURES
    assert 0.5 < json.loads(output)["share"] < 1

    # Ctrl-C stops the job that is left.
    before = sum(one.done for one in run_statuses(out, RUNS))
    process = start()
    wait_until(lambda: sum(one.done for one in run_statuses(out, RUNS)) > before, process)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == EXIT_INTERRUPTED
    assert errors.splitlines()[-2:] == [
        "1 job stopped",
        "interrupted; every whole shard is kept: run the same command again to continue",
    ]
    assert "Traceback" not in errors
    wait_until(lambda: not any(lock_holder(out / run) for run in RUNS))
    assert {one.state for one in run_statuses(out, RUNS)} <= {"complete", "interrupted", "new"}

    process = start()
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    assert {one.state for one in run_statuses(out, RUNS)} == {"complete"}

    plain = tmp_path / "plain"
    assert extract_command(*settings, "--out", plain, "--quiet")[0] == 0
    assert _contents(out) == _contents(plain)


def _contents(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.glob("*/*")) if path.is_file()}
