"""One estimate shared by several processes: each fits its part and writes a table of its own next to the common one."""

import jax

from pid_lvlm.data import PidError
from pid_lvlm.data.command.part import Part


def join_processes(coordinator: str | None, processes: int | None, process: int | None) -> Part:
    """Join the other processes through `jax.distributed`; returns this process's part.

    Args:
        coordinator: `host:port` of process 0; jax detects it under Slurm, Open MPI and similar launchers.
        processes: number of processes, also detected.
        process: index of this process, from 0, also detected.

    Raises:
        PidError: jax cannot detect them, or the others do not answer.
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
    """Wait until every process has reached this point."""
    from jax.experimental import multihost_utils

    multihost_utils.sync_global_devices(name)
