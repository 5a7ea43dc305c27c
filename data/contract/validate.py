"""Checks on a run folder's arrays. Every fault is reported, with its file, array and row."""

import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pid_lvlm.data.contract.arrays import ARRAY_BY_NAME, ARRAYS, KIND_NAMES, ArraySpec
from pid_lvlm.data.contract.manifest import Manifest
from pid_lvlm.data.errors import Fault
from pid_lvlm.data.names import CONDITIONS, POOLINGS, REQUIRED_CONDITIONS, feature_key

MAX_ROWS_PER_RULE = 5
"""Rows shown for one broken rule of one array; a systematic fault need not print a thousand lines."""

ROTATION_ARRAYS = ("rotation_of", "rotations")
"""Present together, or neither is."""

MOST_LOGLIK = 1e-3
"""A log-likelihood is at most 0; this much is forgiven as rounding."""


def manifest_faults(manifest: Manifest, file: str) -> list[Fault]:
    """Rules inside the manifest: conditions, poolings, layers and counts fit together."""
    faults = []
    conditions = manifest.conditions
    if conditions != tuple(name for name in CONDITIONS if name in conditions):
        faults.append(Fault(file, f"`conditions` should be among {CONDITIONS} in this order, found {conditions}"))
    if missing := [name for name in REQUIRED_CONDITIONS if name not in conditions]:
        faults.append(Fault(file, f"`conditions` lacks {missing[0]!r}, which the decomposition needs"))
    if POOLINGS[0] not in manifest.poolings or not set(manifest.poolings) <= set(POOLINGS):
        faults.append(
            Fault(file, f"`poolings` should be among {POOLINGS} with {POOLINGS[0]!r}, found {manifest.poolings}")
        )
    layers = manifest.layers
    if any(not isinstance(layer, int) for layer in layers) or list(layers) != sorted(set(layers)):
        faults.append(Fault(file, f"`layers` should be ascending integers without repeats, found {layers}"))
    elif layers[0] < 0 or layers[-1] != manifest.num_layers:
        faults.append(Fault(file, f"`layers` should end with the output, {manifest.num_layers}, found {layers}"))
    if manifest.num_samples == 0:
        faults.append(Fault(file, "the run is empty (`num_samples` is 0); extract at least one item"))
    return faults


@contextmanager
def damaged(path: Path) -> Iterator[list[Fault]]:
    """Turn what a missing or damaged shard raises into one entry of the list that is yielded."""
    faults: list[Fault] = []
    try:
        yield faults
    except FileNotFoundError:
        faults.append(Fault(path.name, "missing; run the same pid-extract command again, which measures it again"))
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, KeyError, NotImplementedError) as error:
        advice = "delete this file and run the same pid-extract command again, which measures it again"
        faults.append(Fault(path.name, f"damaged or truncated ({error}); {advice}"))


def load_shard(
    path: Path, names: Collection[str] | None = None, skipped: Collection[str] = ()
) -> tuple[dict[str, NDArray], list[Fault]]:
    """Read the named arrays of a shard (by default all), without the `skipped` ones; damage becomes a fault."""
    with damaged(path) as faults, path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        wanted = [name for name in archive.files if (names is None or name in names) and name not in skipped]
        return {name: archive[name] for name in wanted}, []
    return {}, faults


def shard_faults(file: str, arrays: Mapping[str, NDArray], manifest: Manifest, rows: int) -> list[Fault]:
    """Everything wrong inside one shard that should hold `rows` samples."""
    sizes = {
        "n": rows,
        "c": len(manifest.conditions),
        "l": len(manifest.layers),
        "k": manifest.max_options,
        "d1": manifest.d1,
        "d2": manifest.d2,
    }
    faults: list[Fault] = []
    good: dict[str, NDArray] = {}
    for spec in ARRAYS:
        if spec.name not in arrays:
            if _is_required(spec, manifest):
                faults.append(Fault(file, "missing", spec.name))
            continue
        wrong = _form_fault(file, spec, arrays[spec.name], sizes)
        faults += wrong
        if not wrong:
            good[spec.name] = arrays[spec.name]
    faults += [
        Fault(file, f"unknown array; if a newer pid-lvlm wrote it, upgrade; known are {', '.join(ARRAY_BY_NAME)}", name)
        for name in sorted(set(arrays) - set(ARRAY_BY_NAME))
    ]
    faults += _value_faults(file, good)
    faults += _rotation_faults(file, arrays, good)
    return faults


def _is_required(spec: ArraySpec, manifest: Manifest) -> bool:
    pooled = {feature_key(source, pooling) for source in (1, 2) for pooling in manifest.poolings}
    return spec.required or spec.name in pooled


def _form_fault(file: str, spec: ArraySpec, array: NDArray, sizes: Mapping[str, int]) -> list[Fault]:
    kind = "i" if array.dtype.kind == "u" else array.dtype.kind
    if kind != spec.kind or (spec.kind == "f" and array.dtype != np.float32):
        return [Fault(file, f"expected {KIND_NAMES[spec.kind]}, found dtype {array.dtype}", spec.name)]
    expected = tuple(sizes[axis] for axis in spec.axes)
    if array.shape != expected:
        axes = ", ".join(spec.axes)
        return [Fault(file, f"expected shape {expected} ({axes}), found {array.shape}", spec.name)]
    return []


def _value_faults(file: str, arrays: Mapping[str, NDArray]) -> Iterator[Fault]:
    for name, array in arrays.items():
        if array.dtype.kind != "f":
            continue
        bad = np.isnan(array) | (array == np.inf) if name == "loglik" else ~np.isfinite(array)
        yield from _rows(file, name, bad, "holds NaN or infinity; expected finite numbers")
    options = arrays.get("num_options")
    if options is None:
        return
    yield from _rows(file, "num_options", options < 2, "is less than 2; leave such items out")
    if (loglik := arrays.get("loglik")) is not None:
        real = np.arange(loglik.shape[-1]) < options[:, None]
        yield from _rows(file, "num_options", options > loglik.shape[-1], "more options than `loglik` has columns")
        counted = ((options >= 2) & (options <= loglik.shape[-1]))[:, None, None, None]
        padding_used = (loglik > -np.inf) & ~real[:, None, None, :] & counted
        yield from _rows(file, "loglik", padding_used, "should be -inf beyond the item's options")
        no_score = (loglik == -np.inf) & real[:, None, None, :] & counted
        yield from _rows(file, "loglik", no_score, "-inf for an option that the item has")
        yield from _rows(
            file,
            "loglik",
            np.isfinite(loglik) & (loglik > MOST_LOGLIK),
            "is positive; expected a log-likelihood, at most 0 nats",
        )
    if (label := arrays.get("label")) is not None:
        yield from _rows(
            file,
            "label",
            (label < -1) | (label >= options),
            "is not an option of the item; expected -1 or the index of one",
        )


def _rotation_faults(file: str, arrays: Mapping[str, NDArray], good: Mapping[str, NDArray]) -> Iterator[Fault]:
    """Both arrays or neither; every question has a name and at least the rows that are here."""
    present = [name for name in ROTATION_ARRAYS if name in arrays]
    if len(present) == 1:
        missing = next(name for name in ROTATION_ARRAYS if name not in present)
        yield Fault(file, f"missing, but `{present[0]}` is there; write both or none", missing)
    if not set(ROTATION_ARRAYS) <= set(good):
        return
    questions, rows = (good[name] for name in ROTATION_ARRAYS)
    _, places, here = np.unique(questions, return_inverse=True, return_counts=True)
    yield from _rows(file, "rotation_of", questions == "", "is empty; expected the question's name")
    yield from _rows(file, "rotations", rows < here[places], "is less than the rows of the question here")


def _rows(file: str, name: str, bad: NDArray, message: str) -> Iterator[Fault]:
    rows = np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1))
    for row in rows[:MAX_ROWS_PER_RULE]:
        more = f" (and {len(rows) - MAX_ROWS_PER_RULE} more rows)" if len(rows) > MAX_ROWS_PER_RULE else ""
        yield Fault(file, message + more, name, int(row))
        if more and row == rows[0]:
            return


def duplicate_id_faults(files: list[str], ids: list[NDArray]) -> list[Fault]:
    """Sample ids must be non-empty and unique over the whole run."""
    seen: dict[str, str] = {}
    faults = []
    for file, values in zip(files, ids, strict=True):
        for row, value in enumerate(values.tolist()):
            if not value:
                faults.append(Fault(file, "is empty; expected a name for the sample", "sample_id", row))
            elif value in seen:
                faults.append(Fault(file, f"{value!r} occurs twice (first in {seen[value]})", "sample_id", row))
            seen.setdefault(value, f"`{file}` row {row}")
    return faults
