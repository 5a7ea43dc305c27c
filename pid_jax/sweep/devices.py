"""Devices, and how the fit axis is distributed over them."""

import hashlib
import os
import platform
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding, SingleDeviceSharding

from pid_jax.setting import ArgumentError, integer, spell
from pid_lvlm.data.bounds import DEVICES

Tree = TypeVar("Tree", bound=Any)

FITS = "fits"
"""Name of the mesh's only axis."""


def split_cpu(count: int | None) -> None:
    """Make jax see the CPU as `count` devices, by default one per core; call this before jax initialises its devices.

    One program per core is faster than one program whose operations share the cores (docs/performance.md).
    """
    _check(count)
    if "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return  # already set by the user, and jax accepts only one of the two
    with suppress(RuntimeError):  # jax has already initialised its devices: leave that to the Python caller
        jax.config.update("jax_num_cpu_devices", count_cores() if count is None else count)


def count_cores() -> int:
    """Number of cores this process may use; in a Slurm job or container, fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def count_devices(count: int | None = None) -> int:
    """The number of this process's devices to use: the first `count`, all by default.

    Raises:
        ArgumentError: it is not a valid number, or there are fewer devices.
    """
    _check(count)
    local = jax.local_devices()
    if count is not None and not 1 <= count <= len(local):
        raise ArgumentError(
            "devices", f"expected 1 to {len(local)}, the number of {local[0].platform} devices, found {count}"
        )
    return len(local) if count is None else count


def _check(count: int | None) -> None:
    if count is not None and not integer(1, DEVICES).accepts(count):
        raise ArgumentError("devices", f"expected {integer(1, DEVICES).expected}, found {spell(count)}")


def keep_compiled(cache: str = "auto") -> None:
    """Keep compiled programs on disk so the next process does not compile them again.

    Args:
        cache: a folder, `off`, or `auto`: jax's configured folder, else `pid-lvlm` under `$XDG_CACHE_HOME` or
            `~/.cache`, separate for each kind of processor.
    """
    if cache == "off":
        jax.config.update("jax_enable_compilation_cache", False)
        return
    if cache == "auto" and jax.config.values.get("jax_compilation_cache_dir"):
        return
    folder = _user_cache() if cache == "auto" else Path(cache)
    jax.config.update("jax_compilation_cache_dir", str(folder))


def _user_cache() -> Path:
    """A folder per kind of processor: homes can be shared between machines that cannot run the same program."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        kind = "".join(sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))}))
    except OSError:
        kind = platform.processor()
    return root / "pid-lvlm" / f"{platform.machine()}-{hashlib.sha256(kind.encode()).hexdigest()[:8]}"


def fit_mesh(count: int) -> Mesh:
    """The first `count` devices of this process along one axis."""
    return Mesh(np.asarray(jax.local_devices()[:count]), (FITS,))


def on_every(tree: Tree, devices: int) -> Tree:
    """A copy of every array on each of the devices."""
    return jax.device_put(tree, sharding(devices))


def split_over(tree: Tree, devices: int) -> Tree:
    """Every array split along its first axis into equal parts, one per device."""
    return jax.device_put(tree, sharding(devices, FITS))


def sharding(devices: int, *axes: str) -> Sharding:
    """Placement of a sweep's arrays: copied, or split along the first axis if `axes` is `FITS`."""
    if devices == 1:
        return SingleDeviceSharding(jax.local_devices()[0])
    return NamedSharding(fit_mesh(devices), PartitionSpec(*axes))
