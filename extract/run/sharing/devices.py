"""Which processes measure a command's runs, and on which devices. Imports torch only when needed."""

import os
from collections.abc import Mapping

from pid_lvlm.data.command.shown import cut
from pid_lvlm.extract.errors import UsageError


def check_launcher(environment: Mapping[str, str] = os.environ) -> None:
    """Refuse to run as one of several processes of torchrun or accelerate: only one can write a run folder.

    Raises:
        UsageError: it is.
    """
    started = environment.get("WORLD_SIZE", "")
    if "LOCAL_RANK" in environment and started.isdecimal() and int(started) > 1:
        message = (
            f"torchrun or accelerate has started this command {int(started)} times (WORLD_SIZE), and only one process "
            f"can write a run folder; start pid-extract by itself, with --processes {int(started)}"
        )
        raise UsageError(message)


def process_devices(device: str, processes: int) -> tuple[str, ...]:
    """The device of each process: one GPU each, or the shared CPU; for a single process, the requested device.

    Args:
        device: the requested device, such as `auto`.
        processes: number of processes, at least 1.

    Raises:
        UsageError: there are too few GPUs, or the device cannot be shared.
        ModelError: torch does not know or cannot use the device.
    """
    if processes == 1:
        return (device,)
    import torch

    from pid_lvlm.extract.models.load import resolve_device

    found = resolve_device(device)
    if found == "cpu":
        return (found,) * processes
    if found != "cuda":
        message = (
            f"--processes {processes} uses one GPU after another, or the CPU, but --device {cut(device)} names one "
            "device; leave --device out, and choose GPUs with CUDA_VISIBLE_DEVICES"
        )
        raise UsageError(message)
    if processes > (visible := torch.cuda.device_count()):
        message = (
            f"--processes {processes} needs a GPU for each process, but torch sees {visible}; give at most "
            f"--processes {visible}"
        )
        raise UsageError(message)
    return tuple(f"cuda:{number}" for number in range(processes))


def cpu_threads(device: str, processes: int) -> int:
    """Number of threads per process: a share of this one's if the CPU is the device, else as many as it has."""
    import torch

    return max(1, torch.get_num_threads() // processes) if device == "cpu" else torch.get_num_threads()
