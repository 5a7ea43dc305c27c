"""Jobs through submitit: submit them, wait for them, and report their outcome."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final

from pid_lvlm.data.cluster.display import JobsDisplay
from pid_lvlm.data.cluster.gpus import GPU_VARIABLE
from pid_lvlm.data.cluster.job import PartJob
from pid_lvlm.data.cluster.options import LOCAL, SLURM
from pid_lvlm.data.cluster.records import PartResult, Records
from pid_lvlm.data.cluster.submitit_executors import Where, make_executor, output_into
from pid_lvlm.data.command.part import Part
from pid_lvlm.data.command.shown import count, cut
from pid_lvlm.data.errors import PidError

if TYPE_CHECKING:
    from submitit import Job
    from submitit.core.core import PicklingExecutor

UNKNOWN: Final = "UNKNOWN"
"""State of a job unknown to Slurm's accounting. It is safe to submit another one, since locks keep them apart."""

SECONDS_BETWEEN_LOOKS: Final = {LOCAL: 0.5, SLURM: 5.0}
SECONDS_BETWEEN_SHARES: Final = 5.0
SECONDS_FOR_A_RESULT: Final = {LOCAL: 0.0, SLURM: 30.0}
"""Time to wait for the result of a job that has ended: files written on another host appear late."""


def run_jobs(
    jobs: Sequence[PartJob], where: Where, records: Records, share: Callable[[], float], *, quiet: bool = False
) -> dict[Part, PartResult]:
    """Submit jobs, wait for them and say which failed.

    If Slurm still has jobs of the same command, this waits for them and does not submit them again. On Ctrl-C, jobs on
    this machine are stopped and Slurm jobs are left alone.

    Args:
        jobs: one for each part with work left.
        where: where they run.
        records: the command's records.
        share: the fraction of all work that is done, 0 to 1.
        quiet: show only failures.

    Raises:
        PidError: submitit or Slurm is missing, or Slurm rejects the jobs.
    """
    executor = make_executor(where, records.folder / "submitit")
    records.folder.mkdir(parents=True, exist_ok=True)
    with JobsDisplay(share(), quiet=quiet) as display:
        wait = _Wait(executor, where, records, list(jobs), share, display)
        try:
            return wait.for_all()
        except BaseException:
            wait.leave()
            raise


class _Wait:
    """A command's jobs while it waits for them."""

    def __init__(
        self,
        executor: "PicklingExecutor",
        where: Where,
        records: Records,
        waiting: list[PartJob],
        share: Callable[[], float],
        display: JobsDisplay,
    ) -> None:
        self._executor, self._where, self._records = executor, where, records
        self._waiting = waiting
        self._share, self._display = share, display
        self._running: dict[Part, tuple[PartJob, Job[int]]] = {}
        self._ended: dict[Part, PartResult] = {}
        self._gone: dict[Part, float] = {}
        """When each job was first seen to have ended without a result."""

    def for_all(self) -> dict[Part, PartResult]:
        """Wait for all parts and return how each ended."""
        if self._where.executor == SLURM:
            self._submit_all()
        looked, share = 0.0, 0.0
        while self._waiting or self._running:
            if self._where.executor == LOCAL:
                self._submit_next()
            for job, submitted in list(self._running.values()):
                self._look_at(job, submitted)
            if monotonic() - looked > SECONDS_BETWEEN_SHARES:
                looked, share = monotonic(), self._share_now(share)
            self._display.update(share, len(self._running), len(self._waiting), len(self._ended))
            if self._running:
                sleep(SECONDS_BETWEEN_LOOKS[self._where.executor])
        return self._ended

    def _share_now(self, before: float) -> float:
        """The fraction done; unchanged if a file cannot be read, which the jobs will report better."""
        try:
            return self._share()
        except (OSError, PidError):
            return before

    def leave(self) -> None:
        """On Ctrl-C or an error: stop the jobs on this machine, and say what happens to Slurm jobs."""
        submitted = [one for _, one in self._running.values()]
        for one in submitted if self._where.executor == LOCAL else ():
            one.cancel(check=False)
        if self._where.executor == LOCAL and self._running:
            self._display.say(f"{count(len(self._running), 'job')} stopped", always=True)
        elif self._running:
            ids = " ".join(dict.fromkeys(_array_id(one) for one in submitted))
            self._display.say(
                f"the {count(len(self._running), 'Slurm job')} will keep running: use the same options with --status "
                f"in place of --executor and --slurm to see their progress, `scancel {ids}` to stop them",
                always=True,
            )

    def _submit_all(self) -> None:
        """Submit the jobs that Slurm does not have yet."""
        known = self._records.read_submitted(SLURM)
        for job in list(self._waiting):
            name = known.get(job.part.text)
            if name is None or self._records.read(job.part) is not None:
                continue
            found = self._executor.job_class(folder=self._executor.folder, job_id=name)
            if not found.done(force_check=True) and found.state.upper() != UNKNOWN:
                self._running[job.part] = job, found
                self._waiting.remove(job)
        if self._running:
            self._display.say(f"{count(len(self._running), 'job')} already submitted; waiting for them")
        if new := self._submit(self._waiting):
            ids = ", ".join(dict.fromkeys(map(_array_id, new)))
            self._display.say(f"{count(len(new), 'job')} submitted to Slurm: {ids}; logs in `{self._records.folder}`")
        self._running |= {job.part: (job, one) for job, one in zip(self._waiting, new, strict=True)}
        self._waiting.clear()
        self._record()

    def _submit_next(self) -> None:
        """Start jobs on this machine up to the limit, each on its own GPU if there are GPUs."""
        started = False
        while self._waiting and len(self._running) < self._where.at_once:
            job = self._waiting.pop(0)
            taken = {other.environment.get(GPU_VARIABLE) for other, _ in self._running.values()}
            # submitit hides the GPUs from local jobs; if none are assigned, jobs see what this process sees.
            free = next((gpu for gpu in self._where.gpus if gpu not in taken), os.environ.get(GPU_VARIABLE))
            placed = replace(job, environment={**job.environment, GPU_VARIABLE: free})
            self._running[job.part] = placed, self._submit([placed])[0]
            started = True
        if started:
            self._record()

    def _submit(self, jobs: Sequence[PartJob]) -> "list[Job[int]]":
        from submitit.core.utils import FailedJobError, FailedSubmissionError
        from submitit.helpers import clean_env

        for job in jobs:
            self._records.forget(job.part)
        if not jobs:
            return []
        try:
            with clean_env(), output_into(self._records.folder / "submitit.log"), self._executor.batch():
                return [self._executor.submit(job) for job in jobs]
        except (FailedJobError, FailedSubmissionError) as error:
            raise PidError(f"Slurm rejected the jobs: {cut(str(error), 500)}; check --slurm") from error

    def _record(self) -> None:
        before = self._records.read_submitted(self._where.executor)
        running = {part.text: one.job_id for part, (_, one) in self._running.items()}
        self._records.write_submitted(self._where.executor, {**before, **running})

    def _look_at(self, job: PartJob, submitted: "Job[int]") -> None:
        """Whether a job has ended, and how."""
        result = self._records.read(job.part)
        if self._where.executor == LOCAL and not submitted.done():
            return  # its process is still cleaning up
        if result is None:
            if not submitted.done():
                self._gone.pop(job.part, None)
                return
            since = self._gone.setdefault(job.part, monotonic())
            if monotonic() - since < SECONDS_FOR_A_RESULT[self._where.executor]:
                return
            result = self._records.read(job.part) or self._without_result(job, submitted)
        del self._running[job.part]
        self._ended[job.part] = result

    def _without_result(self, job: PartJob, submitted: "Job[int]") -> PartResult:
        """The outcome of a killed job: its log may say more, and repeating the command resumes it."""
        said = f"Slurm says {submitted.state}" if self._where.executor == SLURM else "its process was killed"
        error = f"the job ended without a result ({said})"
        return PartResult(job.part.text, job.runs, -1, error, log=str(self._records.log(job.part)))


def _array_id(job: "Job[int]") -> str:
    """A job's Slurm id, without its array task."""
    return job.job_id.partition("_")[0]
