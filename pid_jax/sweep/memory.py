"""How much memory fits need and how much is available: the arithmetic of the memory budget."""

import os
import re
from pathlib import Path
from typing import Any, Final

import jax

from pid_jax.config import FitSettings
from pid_jax.problems.types import Shape
from pid_jax.setting import ArgumentError, integer, spell
from pid_lvlm.data import PidError
from pid_lvlm.data.bounds import MEMORY

FLOAT: Final = 4
"""Bytes of a float32 or an int32."""

PAIR_MATRICES: Final = 10
"""Matrices of all pairs of a batch, per option, that live at once in a training step: logits, kernel, coupling,
logarithms, gradients. Chosen to stay above XLA's own figure for a compiled program's temporary memory: 12.5 MB per fit
on a CPU at 256 rows, 512 features and 4 options, where `fit_bytes` gives 13.9."""

WEIGHT_COPIES: Final = 8
"""Copies of the networks' weights: initial and current, Adam's two moments, gradient and update, in and out."""

FEATURE_COPIES: Final = 2
"""Copies of a batch's features: gathered, and in a second layout for the gradient."""

TABLES_SHARE: Final = 1 / 8
"""Share of the budget for a chunk's tables. The next chunk is read while one is fitted, and on a CPU the host's
arrays and the device's are the same memory: at most four copies."""

FITS_SHARE: Final = 1 / 2
"""Share of the budget for the fits that run side by side."""

_DEFAULT_SHARE: Final = {"cpu": 0.5}
_DEVICE_SHARE: Final = 0.9

_UNITS: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BYTES: Final = re.compile(r"\s*([0-9]{1,20}(?:\.[0-9]{1,20})?)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)


def parse_bytes(text: str) -> int:
    """Bytes from `8GB`, `500 MB`, `2GiB` or a plain number.

    Raises:
        ArgumentError: it is not an amount of memory.
    """
    found = _BYTES.fullmatch(text)
    number, unit, binary = found.groups() if found else ("0", "", "")
    power = list(_UNITS).index(unit.lower())
    amount = int(float(number) * (1024**power if binary else 1000**power))
    return check_budget(amount, text)


def check_budget(amount: Any, given: Any = None) -> int:
    """The budget, if it is valid.

    Raises:
        ArgumentError: it is not a positive number of bytes.
    """
    if not integer(1, MEMORY).accepts(amount):
        found = spell(amount if given is None else given)
        raise ArgumentError("memory_budget", f"expected an amount such as 8GB or 500MB, at most 1000TB, found {found}")
    return int(amount)


def check_memory(what: str, shape: Shape, rows: int, num_seeds: int, settings: FitSettings) -> None:
    """Check that this machine can fit one problem, before allocating anything.

    Raises:
        PidError: its tables or one of its fits need more than main memory.
    """
    draws = num_seeds * (2 * FLOAT * shape.steps * shape.batch + draw_bytes(shape))  # read as 64-bit integers
    needed = feature_bytes(shape, rows) + conditional_bytes(shape, rows) + draws + fit_bytes(shape, settings)
    if needed > host_memory():
        raise PidError(
            f"{what}: a problem of {rows} rows, {shape.options} options and {shape.steps} training steps needs "
            f"{needed / 1e9:,.0f} GB of memory, more than the {host_memory() / 1e9:.0f} GB of this machine; choose "
            "fewer --epochs or --seeds, or a smaller --batch-size or --hidden"
        )


def default_budget() -> int:
    """Bytes that may be used: nearly all of a device's free memory, or half of the host's for a CPU."""
    device = jax.local_devices()[0]
    stats = device.memory_stats() if device.platform != "cpu" else None
    if stats and "bytes_limit" in stats:
        return int(_DEVICE_SHARE * (stats["bytes_limit"] - stats.get("bytes_in_use", 0)))
    return int(_DEFAULT_SHARE["cpu"] * host_memory())


def host_memory() -> int:
    """Bytes of main memory, or of the control group's limit if that is less (containers, Slurm)."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            total = min(total, int(Path(limit).read_text()))
        except (OSError, ValueError):  # no such group, or `max`
            continue
    return total


def fit_bytes(shape: Shape, settings: FitSettings) -> int:
    """Bytes that one running fit needs in addition to the tables: pair matrices, weights, a batch's features."""
    pairs = PAIR_MATRICES * shape.options * shape.batch**2
    features = FEATURE_COPIES * shape.batch * (shape.d1 + shape.d2)
    return FLOAT * (pairs + features) + WEIGHT_COPIES * weight_bytes(shape, settings)


def weight_bytes(shape: Shape, settings: FitSettings) -> int:
    """Bytes of both networks' weights; a call holds the initial weights of all its fits at once."""
    return FLOAT * sum(_weights(width, shape.options, settings) for width in (shape.d1, shape.d2))


def _weights(width: int, options: int, settings: FitSettings) -> int:
    widths = [width, *[settings.hidden] * settings.hidden_layers, options * settings.embedding]
    return sum((a + 1) * b for a, b in zip(widths, widths[1:], strict=False))


def feature_bytes(shape: Shape, rows: int) -> int:
    """Bytes of a number of rows of both feature tables."""
    return FLOAT * rows * (shape.d1 + shape.d2)


def conditional_bytes(shape: Shape, rows: int) -> int:
    """Bytes of a number of rows of the three tables of conditionals."""
    return FLOAT * 3 * rows * shape.options


def draw_bytes(shape: Shape) -> int:
    """Bytes of one slice of the row tables: training rows, test rows and their mask."""
    train, test = shape.steps * shape.batch, shape.test_batches * shape.batch
    return FLOAT * (train + test) + test
