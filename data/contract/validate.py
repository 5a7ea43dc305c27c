"""Checks on a run folder's arrays. Every problem is reported, with its file, array and row."""

import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pid_lvlm.data.contract.arrays import ARRAY_BY_NAME, ARRAYS, KIND_NAMES, ArraySpec
from pid_lvlm.data.contract.manifest import Manifest
from pid_lvlm.data.errors import Problem
from pid_lvlm.data.names import CONDITIONS, POOLINGS, REQUIRED_CONDITIONS, feature_key

MAX_ROWS_PER_RULE = 5
"""Rows shown for one broken rule of one array; a systematic fault need not print a thousand lines."""

ROTATION_ARRAYS = ("rotation_of", "rotations")
"""Present together, or neither is."""

MOST_LOGLIK = 1e-3
"""A log-likelihood is at most 0; this much is forgiven as rounding."""


def manifest_problems(manifest: Manifest, file: str) -> list[Problem]:
    """Rules inside the manifest: conditions, poolings, layers and counts fit together."""
    problems = []
    conditions = manifest.conditions
    if conditions != tuple(name for name in CONDITIONS if name in conditions):
        problems.append(Problem(file, f"`conditions` should be among {CONDITIONS} in this order, found {conditions}"))
    if missing := [name for name in REQUIRED_CONDITIONS if name not in conditions]:
        problems.append(Problem(file, f"`conditions` lacks {missing[0]!r}, which the decomposition needs"))
    if POOLINGS[0] not in manifest.poolings or not set(manifest.poolings) <= set(POOLINGS):
        problems.append(
            Problem(file, f"`poolings` should be among {POOLINGS} with {POOLINGS[0]!r}, found {manifest.poolings}")
        )
    layers = manifest.layers
    if any(not isinstance(layer, int) for layer in layers) or list(layers) != sorted(set(layers)):
        problems.append(Problem(file, f"`layers` should be ascending integers without repeats, found {layers}"))
    elif layers[0] < 0 or layers[-1] != manifest.num_layers:
        problems.append(Problem(file, f"`layers` should end with the output, {manifest.num_layers}, found {layers}"))
    if manifest.num_samples == 0:
        problems.append(Problem(file, "the run is empty (`num_samples` is 0); extract at least one item"))
    return problems


@contextmanager
def damaged(path: Path) -> Iterator[list[Problem]]:
    """Turn what a missing or damaged shard raises into one entry of the list that is yielded."""
    problems: list[Problem] = []
    try:
        yield problems
    except FileNotFoundError:
        problems.append(Problem(path.name, "missing; run the same pid-extract command again to complete the run"))
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, KeyError, NotImplementedError) as error:
        advice = "delete it and run the same pid-extract command again"
        problems.append(Problem(path.name, f"damaged or truncated ({error}); {advice}"))


def load_shard(
    path: Path, names: Collection[str] | None = None, skipped: Collection[str] = ()
) -> tuple[dict[str, NDArray], list[Problem]]:
    """Read the named arrays of a shard (all by default) but the `skipped`; damage becomes a problem, no exception."""
    with damaged(path) as problems, path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        wanted = [name for name in archive.files if (names is None or name in names) and name not in skipped]
        return {name: archive[name] for name in wanted}, []
    return {}, problems


def shard_problems(file: str, arrays: Mapping[str, NDArray], manifest: Manifest, rows: int) -> list[Problem]:
    """Everything wrong inside one shard that should hold `rows` samples."""
    sizes = {
        "n": rows,
        "c": len(manifest.conditions),
        "l": len(manifest.layers),
        "k": manifest.max_options,
        "d1": manifest.d1,
        "d2": manifest.d2,
    }
    problems: list[Problem] = []
    good: dict[str, NDArray] = {}
    for spec in ARRAYS:
        if spec.name not in arrays:
            if _is_required(spec, manifest):
                problems.append(Problem(file, "missing", spec.name))
            continue
        wrong = _form_problem(file, spec, arrays[spec.name], sizes)
        problems += wrong
        if not wrong:
            good[spec.name] = arrays[spec.name]
    problems += [
        Problem(
            file, f"unknown array; if a newer pid-lvlm wrote it, upgrade; known are {', '.join(ARRAY_BY_NAME)}", name
        )
        for name in sorted(set(arrays) - set(ARRAY_BY_NAME))
    ]
    problems += _value_problems(file, good)
    problems += _rotation_problems(file, arrays, good)
    return problems


def _is_required(spec: ArraySpec, manifest: Manifest) -> bool:
    pooled = {feature_key(source, pooling) for source in (1, 2) for pooling in manifest.poolings}
    return spec.required or spec.name in pooled


def _form_problem(file: str, spec: ArraySpec, array: NDArray, sizes: Mapping[str, int]) -> list[Problem]:
    kind = "i" if array.dtype.kind == "u" else array.dtype.kind
    if kind != spec.kind or (spec.kind == "f" and array.dtype != np.float32):
        return [Problem(file, f"expected {KIND_NAMES[spec.kind]}, found dtype {array.dtype}", spec.name)]
    expected = tuple(sizes[axis] for axis in spec.axes)
    if array.shape != expected:
        axes = ", ".join(spec.axes)
        return [Problem(file, f"expected shape {expected} ({axes}), found {array.shape}", spec.name)]
    return []


def _value_problems(file: str, arrays: Mapping[str, NDArray]) -> Iterator[Problem]:
    for name, array in arrays.items():
        if array.dtype.kind != "f":
            continue
        bad = np.isnan(array) | (array == np.inf) if name == "loglik" else ~np.isfinite(array)
        yield from _rows(file, name, bad, "holds NaN or infinity; expected finite numbers")
    options = arrays.get("num_options")
    if options is None:
        return
    yield from _rows(file, "num_options", options < 2, "fewer than 2 options; leave such items out")
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
            "is no option of the item; expected -1 or its index",
        )


def _rotation_problems(file: str, arrays: Mapping[str, NDArray], good: Mapping[str, NDArray]) -> Iterator[Problem]:
    """Both arrays or none; a question has a name, and at least the rows that are here."""
    present = [name for name in ROTATION_ARRAYS if name in arrays]
    if len(present) == 1:
        missing = next(name for name in ROTATION_ARRAYS if name not in present)
        yield Problem(file, f"missing, but `{present[0]}` is there; write both or none", missing)
    if not set(ROTATION_ARRAYS) <= set(good):
        return
    questions, rows = (good[name] for name in ROTATION_ARRAYS)
    _, places, here = np.unique(questions, return_inverse=True, return_counts=True)
    yield from _rows(file, "rotation_of", questions == "", "is empty; expected the question's name")
    yield from _rows(file, "rotations", rows < here[places], "is less than the rows of the question here")


def _rows(file: str, name: str, bad: NDArray, message: str) -> Iterator[Problem]:
    rows = np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1))
    for row in rows[:MAX_ROWS_PER_RULE]:
        more = f" (and {len(rows) - MAX_ROWS_PER_RULE} more rows)" if len(rows) > MAX_ROWS_PER_RULE else ""
        yield Problem(file, message + more, name, int(row))
        if more and row == rows[0]:
            return


def duplicate_id_problems(files: list[str], ids: list[NDArray]) -> list[Problem]:
    """Sample ids must be non-empty and unique over the whole run."""
    seen: dict[str, str] = {}
    problems = []
    for file, values in zip(files, ids, strict=True):
        for row, value in enumerate(values.tolist()):
            if not value:
                problems.append(Problem(file, "is empty; expected a name for the sample", "sample_id", row))
            elif value in seen:
                problems.append(Problem(file, f"{value!r} occurs twice (first in {seen[value]})", "sample_id", row))
            seen.setdefault(value, f"`{file}` row {row}")
    return problems
