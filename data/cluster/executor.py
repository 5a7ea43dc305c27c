"""Jobs by submitit: submitted, waited for, and what became of them."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final

from pid_lvlm.data.cluster.display import JobsDisplay
from pid_lvlm.data.cluster.gpus import GPU_VARIABLE
from pid_lvlm.data.cluster.job import PartJob
from pid_lvlm.data.cluster.options import LOCAL, SLURM
from pid_lvlm.data.cluster.records import PartResult, Records
from pid_lvlm.data.command.extras import install_advice
from pid_lvlm.data.command.part import Part
from pid_lvlm.data.command.shown import count, cut
from pid_lvlm.data.errors import PidError

if TYPE_CHECKING:
    from submitit import Job
    from submitit.core.core import PicklingExecutor

TIMEOUTS: Final = 1000
"""How often a job may run into its time limit and be queued again."""

UNKNOWN: Final = "UNKNOWN"
"""State of a job that Slurm's accounting does not know: another one may be submitted, since locks keep them apart."""

YEAR_IN_MINUTES: Final = 525_600
SECONDS_BETWEEN_LOOKS: Final = {LOCAL: 0.5, SLURM: 5.0}
SECONDS_BETWEEN_SHARES: Final = 5.0
SECONDS_FOR_A_RESULT: Final = {LOCAL: 0.0, SLURM: 30.0}
"""Until the result of a job that has ended is seen: files of another host come late."""


@dataclass(frozen=True)
class Where:
    """Where jobs run.

    Attributes:
        executor: `local` or `slurm`.
        slurm: parameters of submitit's Slurm executor.
        at_once: how many jobs run at a time on this machine.
        gpus: names of its GPUs, one for each job; none where jobs share what there is.
    """

    executor: str
    slurm: Mapping[str, Any] = field(default_factory=dict)
    at_once: int = 1
    gpus: tuple[str, ...] = ()


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
    records.folder.mkdir(parents=True, exist_ok=True)
    executor = _executor(where, records.folder / "submitit")
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
                f"the {count(len(self._running), 'job')} of Slurm go on: the same options with --status in place of "
                f"--executor and --slurm show how far they are, `scancel {ids}` stops them",
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
            with clean_env(), _output_into(self._records.folder / "submitit.log"), self._executor.batch():
                return [self._executor.submit(job) for job in jobs]
        except (FailedJobError, FailedSubmissionError) as error:
            raise PidError(f"Slurm refuses the jobs: {cut(str(error), 500)}; check --slurm") from error

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


def _executor(where: Where, folder: Path) -> "PicklingExecutor":
    """The executor of submitit."""
    submitit = load_submitit()
    if where.executor == LOCAL:
        local = submitit.LocalExecutor(folder, max_num_timeout=TIMEOUTS)
        local.update_parameters(timeout_min=YEAR_IN_MINUTES)
        return local
    if shutil.which("srun") is None or shutil.which("sbatch") is None:
        raise PidError(
            "--executor slurm: this machine has no Slurm (`sbatch` and `srun`); run the command where there is one, "
            "or add --dry-run to see what it would submit"
        )
    slurm = submitit.SlurmExecutor(folder, max_num_timeout=TIMEOUTS)
    slurm.update_parameters(**where.slurm)
    return slurm


def sbatch_script(folder: Path, parameters: Mapping[str, Any], jobs: int) -> str:
    """The script that submitit would give to sbatch, wherever this runs; nothing is written.

    The one place that needs what submitit keeps to itself: its public functions write the script only where there is
    Slurm, and submit it.

    Args:
        folder: of the command's records.
        parameters: of submitit's Slurm executor.
        jobs: how many there would be; several are an array.
    """
    submitit = load_submitit()

    class Anywhere(submitit.SlurmExecutor):  # type: ignore[name-defined]
        @classmethod
        def affinity(cls) -> int:
            return 1

    executor = Anywhere(folder / "submitit", max_num_timeout=TIMEOUTS)
    executor.update_parameters(**parameters)
    if jobs > 1:
        executor.parameters["map_count"] = jobs
    return str(executor._make_submission_file_text(executor._submitit_command_str, ""))


def load_submitit() -> Any:
    """The library.

    Raises:
        PidError: it is not installed.
    """
    before = os.environ.get("SUBMITIT_LOG_LEVEL")
    # Else it configures logging for the whole process, which closes the streams of other libraries' handlers.
    os.environ["SUBMITIT_LOG_LEVEL"] = "NOCONFIG"
    try:
        import submitit
    except ImportError:
        raise PidError(f"--executor: `submitit` is needed but not installed; {install_advice('cluster')}") from None
    finally:
        del os.environ["SUBMITIT_LOG_LEVEL"]
        os.environ |= {} if before is None else {"SUBMITIT_LOG_LEVEL": before}
    return submitit


@contextmanager
def _output_into(path: Path) -> Iterator[None]:
    """What processes that start meanwhile print goes to a file: that of submitit's controllers is not for the user."""
    with path.open("ab") as log:
        saved = [os.dup(number) for number in (1, 2)]
        try:
            for number in (1, 2):
                os.dup2(log.fileno(), number)
            yield
        finally:
            for number, old in zip((1, 2), saved, strict=True):
                os.dup2(old, number)
                os.close(old)
