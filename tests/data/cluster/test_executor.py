"""Jobs on submitit's local executor, and the script for Slurm. The command is one that starts at once."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from pid_lvlm.data.cluster import executor
from pid_lvlm.data.cluster.executor import run_jobs
from pid_lvlm.data.cluster.gpus import GPU_VARIABLE, visible_gpus
from pid_lvlm.data.cluster.options import LOCAL, SLURM
from pid_lvlm.data.cluster.slurm_options import slurm_parameters
from pid_lvlm.data.cluster.submitit_executors import Where, sbatch_script
from pid_lvlm.data.command.part import Part
from pid_lvlm.data.errors import PidError

ALL = Where(LOCAL, at_once=2)


def run(jobs, where=ALL):
    return run_jobs(jobs, where, jobs[0].records, lambda: 0.5, quiet=True)


def wait_for(path: Path) -> None:
    ends = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < ends, path
        time.sleep(0.02)


def children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def send_to_all(task: int, *signals: signal.Signals) -> None:
    """Send signals to the command of a job and then to the job itself, as Slurm does to all of its processes."""
    for process in (*children(task), task):
        for number in signals:
            os.kill(process, number)
        time.sleep(0.1)


def in_another_thread(act):
    thread = threading.Thread(target=act)
    thread.start()
    return thread


def test_results_come_back_with_what_failed(make_jobs):
    ended = run(make_jobs("fail"))
    assert {part.number: result.exit_code for part, result in ended.items()} == {1: 1, 2: 0}
    assert ended[Part(1, 2)].reasons() == {"run-1": "it is broken"}
    assert Path(ended[Part(1, 2)].log).read_text() == "working on 1/2\n"


def test_an_error_is_that_of_every_run_in_the_part(make_jobs):
    (job,) = make_jobs("refuse", 1)
    assert job() == 2
    assert job.records.read(job.part).reasons() == {"run-1": "no such file"}


def test_a_command_that_dies_says_how(make_jobs):
    (job,) = make_jobs("die", 1)
    assert job() == 70
    assert job.records.read(job.part).reasons() == {"run-1": "the command ended with exit code 70"}


def task_of(job, began_in):
    """The process that submitit runs the only job in, once its command has begun."""
    wait_for(began_in / "began-1")
    wait_for(job.records.folder / "submitted.json")
    (task,) = children(int(job.records.read_submitted(LOCAL)["1/1"]))
    return task


@pytest.mark.slow
def test_a_preempted_job_begins_again(make_jobs, tmp_path):
    jobs = make_jobs("once", 1)
    seen = []

    def preempt():
        task = task_of(jobs[0], tmp_path)
        seen.append(task)
        send_to_all(task, signal.SIGUSR2)

    thread = in_another_thread(preempt)
    ended = run(jobs)
    thread.join()
    assert seen
    assert ended[Part(1, 1)].exit_code == 0
    assert Path(ended[Part(1, 1)].log).read_text().count("working on 1/1\n") == 2


def test_a_killed_job_takes_its_command_along(make_jobs, tmp_path):
    jobs = make_jobs("wait", 1)
    commands = []

    def kill():
        task = task_of(jobs[0], tmp_path)
        commands.extend(children(task))
        os.kill(task, signal.SIGKILL)

    thread = in_another_thread(kill)
    ended = run(jobs)
    thread.join()
    assert ended[Part(1, 1)].reasons() == {"run-1": "the job ended without a result (its process was killed)"}
    ends = time.monotonic() + 10
    while Path(f"/proc/{commands[0]}").exists():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_every_job_gets_a_gpu_of_its_own(make_jobs, monkeypatch):
    monkeypatch.setenv(GPU_VARIABLE, "4,7")
    assert visible_gpus() == ("4", "7")
    placed = []

    def do_it_here(self, jobs):
        placed.extend(job.environment[GPU_VARIABLE] for job in jobs)
        for job in jobs:
            job()
        return [SimpleNamespace(done=lambda: True) for _ in jobs]

    monkeypatch.setattr(executor._Wait, "_submit", do_it_here)
    monkeypatch.setattr(executor._Wait, "_record", lambda self: None)
    monkeypatch.setattr(executor, "SECONDS_BETWEEN_LOOKS", {LOCAL: 0.0})
    run(make_jobs("work", 3), Where(LOCAL, at_once=2, gpus=visible_gpus()))
    assert placed == ["4", "7", "4"]


def test_the_script_is_what_sbatch_would_get(tmp_path):
    parameters = slurm_parameters(
        ["partition=gpu", "time=2-12", "gpus_per_node=1", "array_parallelism=4"], "pid-extract"
    )
    script = sbatch_script(tmp_path, parameters, 26)
    for line in (
        "--array=0-25%4",
        "--partition=gpu",
        "--time=3600",
        "--gpus-per-node=1",
        "--requeue",
        "--signal=USR2@90",
    ):
        assert f"#SBATCH {line}\n" in script
    assert f"-m submitit.core._submit {tmp_path}/submitit\n" in script
    assert "--array" not in sbatch_script(tmp_path, parameters, 1)
    assert not list(tmp_path.iterdir())


def test_without_slurm_it_says_so(make_jobs, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PidError, match="this machine has no Slurm"):
        run(make_jobs("work"), Where(SLURM, slurm_parameters([], "x")))


def test_without_submitit_it_says_how_to_install_it(make_jobs, monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(PidError, match=r"`submitit` is needed but not installed; .*pip install '.\[cluster\]'"):
        run(make_jobs("work"))


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Stand-ins for Slurm's programs: `sbatch` gives the number 12, `start` runs its script as a free machine would."""
    programs = tmp_path / "bin"
    programs.mkdir()
    start = (
        "export SLURM_NTASKS=1 SLURM_JOB_NUM_NODES=1 SLURM_NODEID=0 SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_JOB_ID=20; "
        f"for task in 0 1; do SLURM_ARRAY_JOB_ID=12 SLURM_ARRAY_TASK_ID=$task bash {tmp_path}/script & done"
    )
    for name, does in {
        "sbatch": f"echo once >> {tmp_path}/submissions; cp $1 {tmp_path}/script; echo Submitted batch job 12",
        "srun": f'shift 5; echo $$ > {tmp_path}/process-$SLURM_ARRAY_TASK_ID; exec "$@"',
        "sacct": "echo 'JobID|State|NodeList'; echo '12_[0-1]|PENDING|'",
        "scontrol": f"echo $* >> {tmp_path}/requeued; {start.replace('0 1', '${2#12_}')}",
        "start": start,
    }.items():
        (programs / name).write_text(f"#!/bin/bash\n{does}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr(executor, "SECONDS_BETWEEN_LOOKS", {SLURM: 0.05})
    return tmp_path


@pytest.mark.timeout(100)  # a job that misses its signal ends much later
def test_jobs_that_slurm_still_has_are_waited_for(make_jobs, slurm, monkeypatch, capfd):
    jobs = make_jobs("once")
    where = Where(SLURM, slurm_parameters(["time=5"], "x"))

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as first:
        first.setattr(executor._Wait, "_look_at", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(jobs, where)
    assert "`scancel 12` to stop them" in capfd.readouterr().err.replace("\n", " ")
    assert jobs[0].records.read_submitted(SLURM) == {"1/2": "12_0", "2/2": "12_1"}

    def work():
        """Both jobs begin; the time of both is up, and they begin again."""
        subprocess.run(["start"], check=True, stdout=subprocess.DEVNULL)
        for number in (1, 2):
            wait_for(slurm / f"began-{number}")
            send_to_all(int((slurm / f"process-{number - 1}").read_text()), signal.SIGTERM, signal.SIGUSR2)

    thread = in_another_thread(work)
    ended = run(jobs, where)
    thread.join()
    assert [result.exit_code for result in ended.values()] == [0, 0]
    assert (slurm / "submissions").read_text() == "once\n"
    assert sorted((slurm / "requeued").read_text().split("\n")) == ["", "requeue 12_0", "requeue 12_1"]
