"""One estimate shared by several processes: each fits its part and writes its own table next to the common one."""

import re
from typing import Final

import jax
import numpy as np

from pid_jax.setting import ArgumentError, integer, spell
from pid_lvlm.data import PidError
from pid_lvlm.data.bounds import PROCESSES
from pid_lvlm.data.command.part import Part

_ADDRESS: Final = re.compile(r"[\x21-\x7e]{1,255}:[0-9]{1,5}")


def join_processes(coordinator: str | None, processes: int | None, process: int | None) -> Part:
    """Join the other processes through `jax.distributed`; returns this process's part.

    Args:
        coordinator: `host:port` of process 0; detected by jax under Slurm, Open MPI and similar launchers.
        processes: number of processes, also detected.
        process: index of this process, from 0, also detected.

    Raises:
        PidError: jax cannot detect them, or the other processes do not answer.
    """
    _check(coordinator, processes, process)
    try:
        jax.distributed.initialize(coordinator, processes, process)
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise PidError(
            f"--distributed: the processes did not find each other ({reason}); outside Slurm and MPI pass "
            "--coordinator, --processes and --process"
        ) from error
    return Part(jax.process_index() + 1, jax.process_count())


def _check(coordinator: str | None, processes: int | None, process: int | None) -> None:
    rule = integer(1, PROCESSES)
    if coordinator is not None and not _ADDRESS.fullmatch(coordinator):
        raise ArgumentError("coordinator", f"expected HOST:PORT such as node1:29500, found {spell(coordinator)}")
    if processes is not None and not rule.accepts(processes):
        raise ArgumentError("processes", f"expected {rule.expected}, found {spell(processes)}")
    last = (PROCESSES.most if processes is None else processes) - 1
    if process is not None and not 0 <= process <= last:
        raise ArgumentError("process", f"expected an integer from 0 to {last}, found {spell(process)}")
    if coordinator is not None and (processes is None) != (process is None):
        raise ArgumentError("process", "--processes and --process are needed together")


def all_agree(is_well: bool) -> bool:
    """Whether all processes are well; every process must call this."""
    from jax.experimental import multihost_utils

    return bool(np.asarray(multihost_utils.process_allgather(np.asarray(is_well))).all())


def wait_for_all(name: str) -> None:
    """Wait until every process has reached this point."""
    from jax.experimental import multihost_utils

    multihost_utils.sync_global_devices(name)
