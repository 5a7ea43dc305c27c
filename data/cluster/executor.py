"""Jobs by submitit: submitted, waited for, and what became of them."""

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
"""State of a job that Slurm's accounting does not know: another one may be submitted, since locks keep them apart."""

SECONDS_BETWEEN_LOOKS: Final = {LOCAL: 0.5, SLURM: 5.0}
SECONDS_BETWEEN_SHARES: Final = 5.0
SECONDS_FOR_A_RESULT: Final = {LOCAL: 0.0, SLURM: 30.0}
"""Until the result of a job that has ended is seen: files of another host come late."""


def run_jobs(
    jobs: Sequence[PartJob], where: Where, records: Records, share: Callable[[], float], *, quiet: bool = False
) -> dict[Part, PartResult]:
    """Submit jobs, wait for them and say which failed.

    Jobs of the same command that Slurm still has are waited for and not submitted again. At Ctrl-C jobs on this machine
    are stopped, and those of Slurm are left alone.

    Args:
        jobs: one for each part with something left to do.
        where: where they run.
        records: of the command.
        share: what is done of all the work, 0 to 1.
        quiet: show nothing but what fails.

    Raises:
        PidError: submitit or Slurm is missing, or Slurm refuses the jobs.
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
    """The jobs of a command while it waits for them."""

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
        """When a job was first seen to have ended without a result."""

    def for_all(self) -> dict[Part, PartResult]:
        """Wait; returns how every part ended."""
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
        """What is done; as before where a file cannot be read, which the jobs will say better."""
        try:
            return self._share()
        except (OSError, PidError):
            return before

    def leave(self) -> None:
        """Ctrl-C, or an error: stop the jobs on this machine; say what becomes of those of Slurm."""
        submitted = [one for _, one in self._running.values()]
        for one in submitted if self._where.executor == LOCAL else ():
            one.cancel(check=False)
        if self._where.executor == LOCAL and self._running:
            self._display.say(f"{count(len(self._running), 'job')} stopped", always=True)
        elif self._running:
            ids = " ".join(dict.fromkeys(_array_id(one) for one in submitted))
            self._display.say(
                f"the {count(len(self._running), 'job')} of Slurm keep running: the same options with --status in "
                f"place of --executor and --slurm show their progress, `scancel {ids}` stops them",
                always=True,
            )

    def _submit_all(self) -> None:
        """Submit what Slurm does not have yet."""
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
            self._display.say(f"{count(len(self._running), 'job')} submitted before; waiting for them")
        if new := self._submit(self._waiting):
            ids = ", ".join(dict.fromkeys(map(_array_id, new)))
            self._display.say(f"{count(len(new), 'job')} submitted to Slurm: {ids}; logs in `{self._records.folder}`")
        self._running |= {job.part: (job, one) for job, one in zip(self._waiting, new, strict=True)}
        self._waiting.clear()
        self._record()

    def _submit_next(self) -> None:
        """Start jobs on this machine until as many run as may, each on a GPU of its own if there are any."""
        started = False
        while self._waiting and len(self._running) < self._where.at_once:
            job = self._waiting.pop(0)
            taken = {other.environment.get(GPU_VARIABLE) for other, _ in self._running.values()}
            # submitit hides the GPUs from local jobs; without any to give out, they see what this process sees.
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
        """Of a job that was killed: its log may say more, and the same command continues it."""
        said = f"Slurm says {submitted.state}" if self._where.executor == SLURM else "its process was killed"
        error = f"the job ended without a result ({said})"
        return PartResult(job.part.text, job.runs, -1, error, log=str(self._records.log(job.part)))


def _array_id(job: "Job[int]") -> str:
    """The number that Slurm knows a job by, without its task in an array."""
    return job.job_id.partition("_")[0]
