"""submitit executors, and the script that submitit would pass to sbatch."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pid_lvlm.data.cluster.options import LOCAL
from pid_lvlm.data.command.extras import install_advice
from pid_lvlm.data.errors import PidError

if TYPE_CHECKING:
    from submitit.core.core import PicklingExecutor

TIMEOUTS: Final = 1000
"""How often a job may reach its time limit and be requeued."""

YEAR_IN_MINUTES: Final = 525_600


@dataclass(frozen=True)
class Where:
    """Where jobs run.

    Attributes:
        executor: `local` or `slurm`.
        slurm: parameters of submitit's Slurm executor.
        at_once: how many jobs run at a time on this machine.
        gpus: names of its GPUs, one for each job; empty if jobs share the devices.
    """

    executor: str
    slurm: Mapping[str, Any] = field(default_factory=dict)
    at_once: int = 1
    gpus: tuple[str, ...] = ()


def make_executor(where: Where, folder: Path) -> "PicklingExecutor":
    """The submitit executor."""
    submitit = load_submitit()
    if where.executor == LOCAL:
        local = submitit.LocalExecutor(folder, max_num_timeout=TIMEOUTS)
        local.update_parameters(timeout_min=YEAR_IN_MINUTES)
        return local
    if shutil.which("srun") is None or shutil.which("sbatch") is None:
        raise PidError(
            "--executor slurm: this machine has no Slurm (`sbatch` and `srun`); run the command where Slurm is "
            "installed, or add --dry-run to see what it would submit"
        )
    slurm = submitit.SlurmExecutor(folder, max_num_timeout=TIMEOUTS)
    slurm.update_parameters(**where.slurm)
    return slurm


def sbatch_script(folder: Path, parameters: Mapping[str, Any], jobs: int) -> str:
    """The script that submitit would pass to sbatch, on any machine; writes nothing.

    The only place that uses private parts of submitit: its public functions write the script only if Slurm is
    installed, and submit it.

    Args:
        folder: folder of the command's records.
        parameters: of submitit's Slurm executor.
        jobs: number of jobs; several form an array.
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
    """The submitit library.

    Raises:
        PidError: it is not installed.
    """
    before = os.environ.get("SUBMITIT_LOG_LEVEL")
    # Otherwise it configures logging for the whole process, which closes the streams of other libraries' handlers.
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
def output_into(path: Path) -> Iterator[None]:
    """Redirect the output of processes started meanwhile to a file: submitit's controllers print nothing useful."""
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
