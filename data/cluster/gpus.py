"""The GPUs of this machine by their CUDA names, found without importing torch or jax, which would take seconds."""

import os
import shutil
import subprocess
from typing import Final

GPU_VARIABLE: Final = "CUDA_VISIBLE_DEVICES"


def visible_gpus() -> tuple[str, ...]:
    """GPUs available to a process started here, as `CUDA_VISIBLE_DEVICES` names them; empty if there are none."""
    listed = os.environ.get(GPU_VARIABLE)
    if listed is not None:
        return tuple(name.strip() for name in listed.split(",") if name.strip() and name.strip() != "-1")
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        found = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(
        str(number) for number, line in enumerate(line for line in found.splitlines() if line.startswith("GPU "))
    )
