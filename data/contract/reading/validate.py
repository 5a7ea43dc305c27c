"""Checks on a run folder's arrays. Every fault is reported, with its file, array and row."""

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from pid_lvlm.data.contract.reading.crossed import MOST_LOGLIK, crossed_shard_faults
from pid_lvlm.data.contract.reading.npz import NpzError, open_npz
from pid_lvlm.data.contract.reading.row_faults import row_faults
from pid_lvlm.data.contract.reading.zip_file import regular_file
from pid_lvlm.data.contract.schema.arrays import ARRAY_BY_NAME, ARRAYS, KIND_NAMES, ArraySpec
from pid_lvlm.data.contract.schema.manifest import Manifest
from pid_lvlm.data.errors import Fault
from pid_lvlm.data.files import sha256_of_file
from pid_lvlm.data.inputs.schema import shown
from pid_lvlm.data.names import CROSSED_ARRAYS, NOISE_FILE, feature_key, shard_file

LOGLIKS = ("loglik", CROSSED_ARRAYS[1])
"""Arrays in which -inf marks a missing option."""

ROTATION_ARRAYS = ("rotation_of", "rotations")
"""Pairs of arrays of which both or neither must be present."""

ADVICE: Final = (
    "run the same pid-extract command again, which measures it again, or write it again if data.write_run wrote it"
)
"""Advice about a missing or damaged file of a run."""


def changed(folder: Path, name: str, manifest: Manifest) -> Fault | None:
    """The fault of a file that is missing, unreadable, or changed since its checksum was taken; None if there is none.

    A file without a checksum, as written by older versions, must only exist.
    """
    try:
        with regular_file(folder / name) as file:
            if name not in manifest.checksums or sha256_of_file(file) == manifest.checksums[name]:
                return None
    except FileNotFoundError:
        return Fault(name, f"missing; {ADVICE}")
    except OSError as error:
        return Fault(name, f"cannot be read ({error.strerror or error}); {ADVICE}")
    return Fault(name, f"damaged: its bytes have changed since it was written; {ADVICE}")


def load_shard(
    folder: Path, index: int, manifest: Manifest, names: Collection[str] | None = None
) -> tuple[dict[str, NDArray], list[Fault]]:
    """Read the named arrays of a shard, by default all, if every header has the form that the manifest requires.

    Returns:
        The arrays, and the faults of the file or its form; no arrays if there are faults.
    """
    name = shard_file(index)
    try:
        with open_npz(folder / name) as npz:
            members = npz.members()
            if faults := form_faults(name, members, manifest, manifest.shard_rows(index)):
                return {}, faults
            wanted = [array for array in members if names is None or array in names]
            return {array: npz.read(members[array]) for array in wanted}, []
    except FileNotFoundError:
        return {}, [Fault(name, f"missing; {ADVICE}")]
    except NpzError as error:
        return {}, [Fault(name, f"{error}; {ADVICE}")]


def checked_shard(folder: Path, index: int, manifest: Manifest) -> tuple[dict[str, NDArray], list[Fault]]:
    """A whole shard, and all faults in its form and values."""
    arrays, faults = load_shard(folder, index, manifest)
    return arrays, faults or value_faults(shard_file(index), arrays, manifest, manifest.first_row(index))


def changed_files(folder: Path, shards: Sequence[str], manifest: Manifest, told: Collection[str] = ()) -> list[Fault]:
    """Shards and noise statistics whose bytes have changed since they were written, except those already `told`."""
    files = [*shards, *({NOISE_FILE} & set(manifest.checksums))]
    faults = [changed(folder, name, manifest) for name in files if name not in told]
    return [fault for fault in faults if fault is not None]


def shard_fault(folder: Path, index: int, manifest: Manifest) -> Fault | None:
    """The fault of a shard that was not written completely, by its checksum or else by all its contents; or None."""
    name = shard_file(index)
    if name in manifest.checksums:
        return changed(folder, name, manifest)
    return next(iter(checked_shard(folder, index, manifest)[1]), None)


class Form(Protocol):
    """What is known about an array, from its header or in memory."""

    @property
    def dtype(self) -> np.dtype:
        """Type of its values."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""


def form_faults(file: str, forms: Mapping[str, Form], manifest: Manifest, rows: int) -> list[Fault]:
    """Faults for arrays of a shard of `rows` samples that are missing, unknown, or of the wrong type or shape."""
    sizes = {
        "n": rows,
        "c": len(manifest.conditions),
        "l": len(manifest.layers),
        "k": manifest.max_options,
        "d1": manifest.d1,
        "d2": manifest.d2,
        "m": manifest.pairs,
    }
    faults: list[Fault] = []
    for spec in ARRAYS:
        if spec.name in forms and spec.name in CROSSED_ARRAYS and not manifest.crossed:
            faults.append(Fault(file, "is present, but the manifest's `crossed` is empty", spec.name))
        elif spec.name in forms:
            faults += _form_fault(file, spec, forms[spec.name], sizes)
        elif _is_required(spec, manifest):
            faults.append(Fault(file, "missing", spec.name))
    faults += [
        Fault(file, f"unknown array; if a newer pid-lvlm wrote it, upgrade; known are {', '.join(ARRAY_BY_NAME)}", name)
        for name in sorted(set(forms) - set(ARRAY_BY_NAME))
    ]
    present = [name for name in ROTATION_ARRAYS if name in forms]
    if len(present) == 1:
        lacking = next(name for name in ROTATION_ARRAYS if name not in present)
        faults.append(Fault(file, f"missing, but `{present[0]}` is present; write both or neither", lacking))
    return faults


def value_faults(file: str, arrays: Mapping[str, NDArray], manifest: Manifest, first_row: int = 0) -> list[Fault]:
    """Invalid values in arrays of the right form.

    Args:
        file: name of the shard.
        arrays: its arrays.
        manifest: of the run.
        first_row: index of the shard's first sample in the run.
    """
    odd = list(_text_faults(file, arrays))
    rest = {name: array for name, array in arrays.items() if name not in {fault.array for fault in odd}}
    return [
        *odd,
        *_value_faults(file, rest),
        *_rotation_faults(file, rest),
        *crossed_shard_faults(file, rest, manifest, first_row),
    ]


def _text_faults(file: str, arrays: Mapping[str, NDArray]) -> Iterator[Fault]:
    """Code points that are not Unicode characters, or lone surrogates; Python fails on them."""
    for name, array in arrays.items():
        if array.dtype.kind == "U" and array.size:
            whole = np.ascontiguousarray(array)
            codes = whole.view(np.dtype(np.uint32).newbyteorder(whole.dtype.byteorder)).reshape(len(array), -1)
            bad = (codes > sys.maxunicode) | ((codes >= 0xD800) & (codes <= 0xDFFF))
            yield from row_faults(file, name, bad, "is not text: it contains code points outside Unicode")


def _is_required(spec: ArraySpec, manifest: Manifest) -> bool:
    pooled = {feature_key(source, pooling) for source in (1, 2) for pooling in manifest.poolings}
    return spec.required or spec.name in pooled or (bool(manifest.crossed) and spec.name in CROSSED_ARRAYS)


def _form_fault(file: str, spec: ArraySpec, array: Form, sizes: Mapping[str, int]) -> list[Fault]:
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
        bad = np.isnan(array) | (array == np.inf) if name in LOGLIKS else ~np.isfinite(array)
        yield from row_faults(file, name, bad, "holds NaN or infinity; expected finite numbers")
    options = arrays.get("num_options")
    if options is None:
        return
    yield from row_faults(file, "num_options", options < 2, "is less than 2; leave such items out")
    if (loglik := arrays.get("loglik")) is not None:
        real = np.arange(loglik.shape[-1]) < options[:, None]
        yield from row_faults(file, "num_options", options > loglik.shape[-1], "more options than `loglik` has columns")
        counted = ((options >= 2) & (options <= loglik.shape[-1]))[:, None, None, None]
        padding_used = (loglik > -np.inf) & ~real[:, None, None, :] & counted
        yield from row_faults(file, "loglik", padding_used, "should be -inf beyond the item's options")
        no_score = (loglik == -np.inf) & real[:, None, None, :] & counted
        yield from row_faults(file, "loglik", no_score, "-inf for an option that the item has")
        yield from row_faults(
            file,
            "loglik",
            np.isfinite(loglik) & (loglik > MOST_LOGLIK),
            "is positive; expected a log-likelihood, at most 0 nats",
        )
    if (label := arrays.get("label")) is not None:
        yield from row_faults(
            file,
            "label",
            (label < -1) | (label >= options),
            "is not an option of the item; expected -1 or the index of one",
        )
    if (letters := arrays.get("letters")) is not None:
        wrong = np.char.str_len(letters) != options
        yield from row_faults(file, "letters", wrong, "is not one letter for each option of the item")


def _rotation_faults(file: str, arrays: Mapping[str, NDArray]) -> Iterator[Fault]:
    """Every question must have a name and at least as many rows as are present here."""
    if not set(ROTATION_ARRAYS) <= set(arrays):
        return
    questions, rows = (arrays[name] for name in ROTATION_ARRAYS)
    _, places, here = np.unique(questions, return_inverse=True, return_counts=True)
    yield from row_faults(file, "rotation_of", questions == "", "is empty; expected the question's name")
    yield from row_faults(file, "rotations", rows < here[places], "is less than the rows of the question here")


def duplicate_id_faults(files: list[str], ids: list[NDArray]) -> list[Fault]:
    """Sample ids must be non-empty and unique over the whole run."""
    seen: dict[str, str] = {}
    faults = []
    for file, values in zip(files, ids, strict=True):
        for row, value in enumerate(values.tolist()):
            if not value:
                faults.append(Fault(file, "is empty; expected a name for the sample", "sample_id", row))
            elif value in seen:
                faults.append(Fault(file, f"{shown(value)} occurs twice (first in {seen[value]})", "sample_id", row))
            seen.setdefault(value, f"`{file}` row {row}")
    return faults
