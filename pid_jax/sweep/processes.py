"""One estimate shared by several processes: each fits its part and writes its own table beside the common one."""

import jax

from pid_lvlm.data import PidError
from pid_lvlm.data.command.part import Part


def join_processes(coordinator: str | None, processes: int | None, process: int | None) -> Part:
    """Join the other processes through `jax.distributed`; the answer is this process's part.

    Args:
        coordinator: `host:port` of process 0; found out by jax under Slurm, Open MPI and the like.
        processes: how many there are, found out likewise.
        process: which one this is, from 0.

    Raises:
        PidError: jax cannot find out, or the others do not answer.
    """
    try:
        jax.distributed.initialize(coordinator, processes, process)
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise PidError(
            f"--distributed: the processes did not find each other ({reason}); outside Slurm and MPI pass "
            "--coordinator, --processes and --process"
        ) from error
    return Part(jax.process_index() + 1, jax.process_count())


def wait_for_all(name: str) -> None:
    """Wait until every process has come here."""
    from jax.experimental import multihost_utils

    multihost_utils.sync_global_devices(name)
