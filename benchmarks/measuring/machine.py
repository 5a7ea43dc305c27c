"""The machine of a timing."""

import os
import platform
import resource
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import torch


def describe_machine(libraries: Sequence[str]) -> dict[str, Any]:
    """Cores, load, Python and library versions; the load shows whether the machine was idle."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "load": [round(value, 2) for value in os.getloadavg()],
        "torch_threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in libraries},
    }


def peak_host_bytes() -> int:
    """Peak memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def torch_device_name(device: str) -> str:
    """`cpu` or the name of the GPU."""
    return torch.cuda.get_device_name() if device == "cuda" else device
