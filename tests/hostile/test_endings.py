"""Commands as processes: whatever ends them, there is one sentence and an exit code, and never a traceback."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pid_lvlm import data
from tests import CHECKPOINT, ROOT

ENTRIES = {"pid-extract": "pid_extract", "pid-estimate": "pid_estimate", "pid-report": "pid_report"}
BUG = """
from pid_lvlm.process import own_process
own_process()
from pid_lvlm.data.command.console import run_command
from pid_lvlm.data.command.options import AsJson, make_app
app = make_app()
@app.command()
def command(table: str, out: str = "", as_json: AsJson = False) -> None:
    raise RuntimeError("odd \\u2192 \\x1b[2J")
run_command("a-command", app)
"""
"""A command that has a bug."""
LONGEST = 2.0
"""Seconds from a signal to the end."""


def start(program: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **options.pop("env", {})}  # type: ignore[dict-item]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, text=True, errors="surrogateescape", **streams)  # type: ignore[call-overload]


def begin(name: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
    return start(f"from pid_lvlm.commands import {ENTRIES[name]} as run; run()", *arguments, **options)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in (out or "") + (err or "")
    assert "Exception ignored" not in (err or "")
    return process.returncode, out or "", err or ""


LOCALES = {
    "C": {"LC_ALL": "C", "LANG": "C"},
    "C without coercion": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin-1": {"PYTHONIOENCODING": "latin-1:strict"},
}


@pytest.mark.parametrize("locale", LOCALES)
def test_a_bug_is_one_sentence_in_every_locale(locale, tmp_path):
    arguments = ("x.parquet", "--out", tmp_path / "Größe → \udcff", "--json")
    code, out, err = ended(start(BUG, *arguments, env={**LOCALES[locale], "TMPDIR": str(tmp_path)}))
    assert (code, err.count("\n")) == (70, 1)
    assert err.startswith("error: this is a bug in pid-lvlm")
    assert "\x1b" not in err
    (log,) = tmp_path.glob("*.log")
    assert json.loads(out)["log"] == str(log)
    assert "RuntimeError: odd" in log.read_text()


@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "2>/dev/full", "<&- 1>&- 2>&-"])
def test_closed_and_full_streams_cost_only_what_they_would_show(closed, tmp_path):
    for program, expected in ((BUG, 70), ("from pid_lvlm.commands import pid_report; pid_report()", 2)):
        shell = f'"$0" -c "$1" --nonsense --out {tmp_path}/r --json {closed}'
        shell = shell.replace("--nonsense", "x.parquet") if program == BUG else shell
        done = subprocess.run(
            ["sh", "-c", shell, sys.executable, program],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        )
        assert done.returncode == expected, done.stderr
        assert "Traceback" not in done.stdout + done.stderr


def test_a_full_standard_output_is_said(tmp_path):
    with Path("/dev/full").open("w") as full:
        code, _, err = ended(begin("pid-report", "--version", stdout=full))
    assert (code, err) == (
        2,
        "error: cannot write to standard output: No space left on device; what was computed is kept\n",
    )


def test_a_log_without_room_is_done_without(tmp_path):
    small = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"
    code, _, err = ended(start(small + BUG, "x", "--out", tmp_path / "r", env={"TMPDIR": str(tmp_path)}))
    assert code == 70
    assert "with this sentence (a log cannot be written" in err
    assert not list(tmp_path.iterdir())


ODD_ENDS = {
    "thread": "import threading; t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()",
    "finalizer": "exec('class A:\\n def __del__(self): 1 / 0'); A()",
}


@pytest.mark.parametrize("place", ODD_ENDS)
def test_faults_beside_the_main_thread_are_a_warning_and_a_log(place, tmp_path):
    program = f"from pid_lvlm.process import own_process; own_process(); {ODD_ENDS[place]}"
    code, _, err = ended(start(program, env={"TMPDIR": str(tmp_path)}))
    assert code == 0
    assert err.startswith("warning: ZeroDivisionError: division by zero ")
    assert err.count("\n") == 1
    assert "Traceback" in next(tmp_path.glob("*.log")).read_text()


SWALLOWED = """
from pid_lvlm import process
process.own_process()
import sys, time
while True:
    try:
        print("ready", flush=True)
        time.sleep(60)
    except BaseException:
        pass
"""
"""As a library that is compiled or imported may do."""


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_swallowed_signal_ends_the_process_all_the_same(number, expected):
    process = start(SWALLOWED)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(number)
    begun = time.monotonic()
    code, _, err = ended(process)
    assert (code, err) == (expected, "interrupted; nothing was written\n")
    assert 0.5 < time.monotonic() - begun < LONGEST


def test_a_second_signal_does_not_wait():
    process = start(SWALLOWED)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    assert ended(process)[0] == 130
    assert time.monotonic() - begun < 0.8


def test_a_child_of_a_command_may_be_ended():
    """Workers of data loaders are forked; what ends one of them must not end the command."""
    program = """
from pid_lvlm import process
process.own_process()
import os, signal, time
child = os.fork()
if child == 0:
    time.sleep(20)
    os._exit(9)
os.kill(child, signal.SIGTERM)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
time.sleep(1.5)
"""
    assert ended(start(program)) == (0, "", "")


def test_a_job_in_the_background_ignores_ctrl_c_as_its_shell_wants():
    program = (
        "import os, signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from pid_lvlm.process import own_process; own_process(); os.kill(os.getpid(), signal.SIGINT)"
    )
    assert ended(start(program)) == (0, "", "")


def test_importing_the_library_changes_nothing_of_the_process():
    program = (
        "import signal, sys; before = signal.getsignal(2), signal.getsignal(15), sys.stderr, sys.unraisablehook\n"
        "import pid_lvlm.commands, pid_lvlm.data.command.console, pid_lvlm.analysis.cli, pid_jax.cli.main\n"
        "assert before == (signal.getsignal(2), signal.getsignal(15), sys.stderr, sys.unraisablehook)\n"
        "assert signal.set_wakeup_fd(-1) == -1"
    )
    assert ended(start(program)) == (0, "", "")


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run to estimate from, in `run`."""
    folder = tmp_path_factory.mktemp("endings")
    rng = np.random.default_rng(0)
    scores = np.log(rng.dirichlet(np.ones(4), (400, 4, 2)))
    features = rng.normal(size=(2, 400, 5))
    data.write_run(folder / "run", model="m", dataset="d", loglik=scores, x1=features[0], x2=features[1])
    return folder


QUICK = (
    "--estimator",
    "batch",
    "--seeds",
    "1",
    "--epochs",
    "1",
    "--batch-size",
    "32",
    "--hidden",
    "4",
    "--hidden-layers",
    "1",
)


def arguments(name: str, inputs: Path, out: Path) -> tuple[object, ...]:
    if name == "pid-estimate":
        return (inputs / "run", "--out", out / "r.parquet", *QUICK)
    card = ROOT / "data/demo/items/fusion.toml"
    return ("--model", CHECKPOINT, "--data", card, "--limit", "24", "--shard-size", "8", "--out", out / "runs")


def interrupted_at(seconds: float, process: subprocess.Popen[str]) -> None:
    """Interrupt a command and see it end as it should, unless it was done before."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    code, _, err = ended(process)
    assert time.monotonic() - begun < LONGEST
    assert code in (0, 130), err
    if code == 130:
        assert err.splitlines()[-1].startswith("interrupted; ")


@pytest.mark.parametrize("seconds", [0.15, 0.4, 1.5])
def test_ctrl_c_in_the_first_seconds(seconds, inputs, tmp_path):
    for name in ("pid-extract", "pid-estimate"):
        interrupted_at(seconds, begin(name, *arguments(name, inputs, tmp_path)))


def test_ctrl_c_while_a_module_is_imported_raises_nothing_in_it(tmp_path):
    # jaxlib's extension module aborts, or reads a null pointer, when an exception cuts its initialization short
    (tmp_path / "half_imported.py").write_text(
        "import signal\ntry:\n    signal.raise_signal(signal.SIGINT)\nexcept KeyboardInterrupt:\n    print('raised')\n"
    )
    program = "import sys; sys.path.insert(0, sys.argv[1]); from pid_lvlm.process import own_process; own_process()"
    code, out, err = ended(start(f"{program}; import half_imported; print('imported')", tmp_path))
    assert (code, out, err) == (130, "", "interrupted; nothing was written\n")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pid-extract", "pid-estimate"])
def test_ctrl_c_at_any_moment_and_the_same_command_continues(name, inputs, tmp_path):
    begun = time.monotonic()
    assert ended(begin(name, *arguments(name, inputs, tmp_path / "whole")))[0] == 0
    takes = time.monotonic() - begun
    moments = random.Random(name)
    for _ in range(20):
        interrupted_at(moments.uniform(0.1, takes), begin(name, *arguments(name, inputs, tmp_path / "cut")))
    assert ended(begin(name, *arguments(name, inputs, tmp_path / "cut")))[0] == 0
    if name == "pid-estimate":
        whole, cut = (
            pl.read_parquet(tmp_path / each / "r.parquet").drop("seconds").sort("problem_id")
            for each in ("whole", "cut")
        )
        assert cut.equals(whole)
    else:
        for path in (tmp_path / "whole").rglob("*.npz"):
            assert (tmp_path / "cut" / path.relative_to(tmp_path / "whole")).read_bytes() == path.read_bytes()
