"""Checks arguments of the Python functions: arrays of numbers, and settings."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Shaped

from pid_jax.config import EstimatorConfig
from pid_jax.setting import ArgumentError, ArgumentTypeError, spell
from pid_lvlm.data.bounds import OPTIONS, SAMPLES, Bound

_KINDS: Final = {"U": "text", "S": "bytes", "c": "complex numbers", "M": "dates", "m": "durations", "V": "records"}

SUM_TOLERANCE: Final = 1e-3
"""Largest allowed deviation from 1 of a row's sum of probabilities."""


def as_array(name: str, values: Any, expected: str) -> Shaped[np.ndarray, "..."]:
    """Values as an array.

    Raises:
        ArgumentError: they are ragged, masked, or not an array.
    """
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ArgumentError(name, f"expected {expected}, found masked values; leave out those samples")
    try:
        return np.asarray(values)
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        if "inhomogeneous" in str(error):
            raise ArgumentError(name, f"expected {expected}, found rows of different lengths") from None
        raise ArgumentTypeError(name, f"expected {expected}, found a {type(values).__name__}") from None


def numbers(name: str, values: Any, expected: str, dtype: Any = np.float32) -> Float[np.ndarray, "..."]:
    """An array of real numbers as floats; numbers out of range become infinite.

    Raises:
        ArgumentError: the values are ragged or masked; an `ArgumentTypeError` if they are not numbers.
    """
    array = as_array(name, values, f"an array of shape {expected}")
    if array.dtype.kind not in "fiub":
        kind = _KINDS.get(array.dtype.kind, "objects")
        found = f"{kind}, {spell(values)}" if not array.ndim else f"{kind} of shape {array.shape}"
        raise ArgumentTypeError(name, f"expected real numbers of shape {expected}, found {found}")
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(dtype)


def probabilities(name: str, values: Any, dtype: Any = np.float32) -> Float[np.ndarray, "n k"]:
    """An array of conditionals: rows that sum to 1, to within `SUM_TOLERANCE`.

    Raises:
        ArgumentError: it has the wrong shape, is too large, or a row does not hold probabilities.
    """
    p = numbers(name, values, "(n, k), a row for each sample with the probabilities of at least 2 options", dtype)
    if p.ndim != 2 or p.shape[1] < 2 or not len(p):
        raise ArgumentError(name, f"expected shape (n, k) with at least 1 row and 2 options, found {p.shape}")
    check_size(name, len(p), SAMPLES)
    check_size(name, p.shape[1], OPTIONS)
    wrong = ~((p >= 0).all(axis=1) & (np.abs(p.sum(axis=1) - 1) <= SUM_TOLERANCE))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        found = spell(p[row].tolist())
        raise ArgumentError(
            f"{name}, row {row}",
            f"expected probabilities of at least 0 that sum to 1, found {found} ({int(wrong.sum())} such rows)",
        )
    return p


def check_size(name: str, size: int, bound: Bound) -> None:
    """Check one axis of an array.

    Raises:
        ArgumentError: it is too long to be decomposed.
    """
    if size > bound.most:
        raise ArgumentError(name, f"at most {bound} are possible, found {size:,}")


def check_name(argument: str, value: Any, names: Sequence[str]) -> None:
    """Check an argument that is one of a few names.

    Raises:
        ArgumentError: it is anything else.
    """
    if not isinstance(value, str) or value not in names:
        raise ArgumentError(argument, f"expected one of {', '.join(names)}, found {spell(value)}")


def checked_config(config: Any) -> EstimatorConfig:
    """The settings; the default preset if None.

    Raises:
        ArgumentTypeError: they are anything else.
    """
    if config is None:
        return EstimatorConfig()
    if not isinstance(config, EstimatorConfig):
        raise ArgumentTypeError("config", f"expected settings from make_config, found a {type(config).__name__}")
    return config
