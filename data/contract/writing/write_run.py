"""Writes a run folder from plain arrays. Everything is checked before anything is written; the manifest comes last."""

import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pid_lvlm.data.command.suggest import suggestion
from pid_lvlm.data.contract.reading.crossed import crossed_run_faults
from pid_lvlm.data.contract.reading.validate import duplicate_id_faults, form_faults, value_faults
from pid_lvlm.data.contract.schema.item_records import write_records, write_thumbnails
from pid_lvlm.data.contract.schema.manifest import Manifest, manifest_faults
from pid_lvlm.data.contract.writing.arguments import Arguments, plain
from pid_lvlm.data.contract.writing.item_arguments import Items, items_of
from pid_lvlm.data.contract.writing.score_arguments import scores_of
from pid_lvlm.data.errors import ARGUMENTS, Fault, OutputExistsError, RunArgumentsError
from pid_lvlm.data.files import npz_bytes, sha256, write_atomic
from pid_lvlm.data.inputs.schema import SchemaError, checked
from pid_lvlm.data.locks import locked
from pid_lvlm.data.names import CROSSED_ARRAYS, ITEMS_FILE, POOLINGS, THUMBNAILS_FILE, feature_key, shard_file

FROM_ARRAYS: Final = {
    "num_samples",
    "max_options",
    "d1",
    "d2",
    "conditions",
    "poolings",
    "crossed",
    "finished",
    "shard_size",
    "schema_version",
    "checksums",
}
"""Manifest fields derived from the arrays."""


def write_run(
    folder: str | Path,
    *,
    model: str,
    dataset: str,
    loglik: ArrayLike | Mapping[str, ArrayLike],
    x1: ArrayLike | Mapping[str, ArrayLike],
    x2: ArrayLike | Mapping[str, ArrayLike],
    num_options: ArrayLike | None = None,
    label: ArrayLike | None = None,
    sample_id: Sequence[str] | None = None,
    group_id: Sequence[str] | None = None,
    layers: Sequence[int] | None = None,
    crossed_partner: ArrayLike | None = None,
    crossed_loglik: ArrayLike | None = None,
    questions: Sequence[str] | None = None,
    options: Sequence[Sequence[str]] | None = None,
    thumbnails: Sequence[bytes | None] | None = None,
    **manifest_fields: Any,
) -> Path:
    """Write a run folder from plain numpy arrays, for models that pid-extract does not support.

    Args:
        folder: a new or empty folder.
        model: name of the model.
        dataset: name of the dataset.
        loglik: (n, c, k) or (n, c, l, k) nats: mean token log-likelihood of each option under the full
            vocabulary, conditions in the order both, vision_only, language_only and, if measured, no_image;
            -inf for options that an item does not have. With further conditions, a mapping from the name of each
            condition, such as `vision_only.mean`, to its scores of shape (n, k) or (n, l, k).
        x1: (n, d1) features of the image, or a mapping from `mean`, `max` or `last` to such arrays.
        x2: (n, d2) features of the question, or such a mapping.
        num_options: (n,) options of each item; by default the finite columns of `loglik`.
        label: (n,) index of the right option, -1 if unknown.
        sample_id: names of the samples, unique; by default their numbers.
        group_id: rows of one group are never split between training and test; by default each row is its own group.
        layers: numbers of the recorded layers; the last is the output. By default 1, 2, …
        crossed_partner: (n, m) index of the row whose question was asked about this row's picture, each row m times in
            total; column 0 is the row itself. For scores of crossed pairs, with `crossed_loglik`.
        crossed_loglik: (n, m, k) or (n, m, l, k) nats: scores of these pairs, as under the condition both; -inf for
            options that the question does not have.
        questions: (n,) texts of the questions, for reports that show single items; `read_items` reads them.
        options: the texts of each item's options; needed with `questions`.
        thumbnails: (n,) small pictures as JPEG or PNG bytes, or None; identical ones are stored once.
        **manifest_fields: other fields of `data.Manifest`, such as `family="llava"` or `size_b=7.0`. numpy scalars
            and paths become plain numbers and texts.

    Returns:
        The folder.

    Raises:
        OutputExistsError: the folder is not empty.
        RunArgumentsError: the arguments are invalid; nothing is written. It is a ContractError, and also a ValueError
            and a TypeError.
        PidError: another process is writing the folder, or the disk is full; nothing is left behind.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from pid_lvlm import data
        >>> rng = np.random.default_rng(0)
        >>> scores = np.log(rng.dirichlet(np.ones(4), size=(300, 3)))
        >>> folder = data.write_run(
        ...     tempfile.mkdtemp(), model="mine", dataset="toy", loglik=scores,
        ...     x1=rng.normal(size=(300, 8)), x2=rng.normal(size=(300, 8)))
        >>> len(data.read_run(folder))
        300
    """
    folder = _folder(folder)
    _check_empty(folder)
    given = Arguments()
    read = scores_of(given, loglik)
    scores, conditions = (None, ()) if read is None else read
    by_name = {} if scores is None else _arrays(given, scores, num_options, label, sample_id, group_id)
    by_name |= _crossed(given, crossed_partner, crossed_loglik)
    features, named = _features(given, x1, x2, None if scores is None else len(scores))
    numbers = _layer_numbers(given, layers, 0 if scores is None else scores.shape[2])
    if given.faults or scores is None:
        raise RunArgumentsError(str(folder), given.faults)
    arrays = by_name | features
    given_fields = {"run": folder.name, "model": model, "dataset": dataset, **manifest_fields}
    manifest = _manifest(given, given_fields, arrays, numbers, conditions)
    if manifest is not None:
        faults = form_faults(ARGUMENTS, arrays, manifest, len(scores))
        if not faults:
            faults += value_faults(ARGUMENTS, arrays, manifest)
            faults += duplicate_id_faults([ARGUMENTS], [arrays["sample_id"]])
        if not faults:
            faults += crossed_run_faults([ARGUMENTS], [arrays])
        given.faults += [_renamed(fault, named) for fault in faults]
    items: Items = ([], [])
    if not given.faults:
        ids, labels, counts = (arrays[name].tolist() for name in ("sample_id", "label", "num_options"))
        items = items_of(given, ids, labels, counts, questions, options, thumbnails)
    if given.faults or manifest is None:
        raise RunArgumentsError(str(folder), given.faults)
    _write(folder, manifest, arrays, items)
    return folder


def _folder(folder: str | Path) -> Path:
    try:
        path = Path(folder)
        with suppress(FileNotFoundError):
            path.lstat()
    except (TypeError, ValueError, OSError) as error:
        fault = Fault(ARGUMENTS, f"expected the path of a folder ({error})"[:200], "folder")
        raise RunArgumentsError("?", [fault]) from None
    return path if path.name else path.resolve()


def _check_empty(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        message = f"`{folder}` exists and is not empty; choose a new folder or delete it first"
        raise OutputExistsError(message)


def _arrays(
    given: Arguments, scores: NDArray, num_options: Any, label: Any, sample_id: Any, group_id: Any
) -> dict[str, NDArray]:
    """All arrays except the features; unreadable ones are left out."""
    n = len(scores)
    numbers = [str(row) for row in range(n)]
    names = given.texts("sample_id", numbers if sample_id is None else sample_id, n)
    groups = names if group_id is None else given.texts("group_id", group_id, n)
    counted = (scores[:, 0, -1] > -np.inf).sum(-1) if num_options is None else num_options
    counts = given.integers("num_options", counted, f"({n},)")
    labels = given.integers("label", np.full(n, -1) if label is None else label, f"({n},)")
    found = {"sample_id": names, "group_id": groups, "num_options": counts, "label": labels, "loglik": scores}
    return {name: array for name, array in found.items() if array is not None}


def _crossed(given: Arguments, partner: Any, loglik: Any) -> dict[str, NDArray]:
    """The arrays of crossed pairs; none if neither is given, or one of them is invalid."""
    values = dict(zip(CROSSED_ARRAYS, (partner, loglik), strict=True))
    if missing := [name for name, value in values.items() if value is None]:
        if len(missing) == 1:
            given.fail(missing[0], "missing, but the other array of crossed pairs is given; give both or neither")
        return {}
    expected = "(n, m, k) or (n, m, l, k) for m questions of a picture"
    partners = given.integers(CROSSED_ARRAYS[0], partner, "(n, m)")
    scores = given.numbers(CROSSED_ARRAYS[1], loglik, expected)
    if partners is None or scores is None:
        return {}
    if partners.ndim != 2:
        given.fail(CROSSED_ARRAYS[0], f"expected shape (n, m), found {partners.shape}")
    if scores.ndim not in (3, 4):
        given.fail(CROSSED_ARRAYS[1], f"expected shape {expected}, found {scores.shape}")
    wide = scores[:, :, None, :] if scores.ndim == 3 else scores
    return dict(zip(CROSSED_ARRAYS, (partners, wide), strict=True))


def _features(given: Arguments, x1: Any, x2: Any, n: int | None) -> tuple[dict[str, NDArray], dict[str, str]]:
    """Features by array name, and the argument that each came from."""
    arrays: dict[str, NDArray] = {}
    named: dict[str, str] = {}
    for source, features in ((1, x1), (2, x2)):
        by_pooling = features if isinstance(features, Mapping) else {POOLINGS[0]: features}
        for pooling, values in by_pooling.items():
            argument = f"x{source}" if by_pooling is not features else f'x{source}["{pooling}"]'
            if pooling not in POOLINGS:
                given.fail(f"x{source}", f"unknown pooling {pooling!r}; {suggestion(str(pooling), POOLINGS)}")
                continue
            array = given.numbers(argument, values, f"({'n' if n is None else n}, d{source})")
            if array is None:
                continue
            key = feature_key(source, pooling)
            arrays[key], named[key] = array, argument
            if array.ndim != 2 or array.shape[1] == 0 or n not in (None, len(array)):
                width = array.shape[1] if array.ndim == 2 and array.shape[1] else f"d{source}"
                given.fail(argument, f"expected shape ({n}, {width}), found {array.shape}")
        if POOLINGS[0] not in by_pooling:
            given.fail(f"x{source}", f"lacks the pooling {POOLINGS[0]!r}")
    return arrays, named


def _layer_numbers(given: Arguments, layers: Any, depth: int) -> list[int]:
    if layers is None:
        return list(range(1, depth + 1))
    numbers = given.integers("layers", layers, f"({depth},)")
    if numbers is not None and numbers.shape != (depth,):
        given.fail("layers", f"expected shape ({depth},), a number for each layer of `loglik`, found {numbers.shape}")
    return [] if numbers is None else numbers.reshape(-1).tolist()


def _manifest(
    given: Arguments,
    fields_given: Mapping[str, Any],
    arrays: Mapping[str, NDArray],
    layers: list[int],
    conditions: Sequence[str],
) -> Manifest | None:
    """The manifest without the checksums; None if its fields are invalid."""
    for name in sorted(FROM_ARRAYS & set(fields_given)):
        given.fail(name, "follows from the arrays; leave it out")
    known = {item.name for item in fields(Manifest)} - FROM_ARRAYS
    for name in sorted(set(fields_given) - known - FROM_ARRAYS):
        given.fail(name, f"unknown field of the manifest; {suggestion(name, known)}")
    scores = arrays["loglik"]
    pairs = [arrays[name] for name in CROSSED_ARRAYS if name in arrays]
    raw = {name: plain(value) for name, value in fields_given.items() if name in known}
    raw |= {
        "layers": layers,
        "num_layers": raw.get("num_layers", layers[-1] if layers else 0),
        "num_samples": len(scores),
        "max_options": scores.shape[-1],
        "d1": arrays["x1_mean"].shape[1],
        "d2": arrays["x2_mean"].shape[1],
        "conditions": list(conditions),
        "poolings": [name for name in POOLINGS if any(feature_key(source, name) in arrays for source in (1, 2))],
        "crossed": {"pairs": pairs[0].shape[1], "within": "dataset"} if pairs else {},
        "finished": True,
    }
    try:
        manifest = checked(Manifest, raw)
    except SchemaError as error:
        given.faults += [Fault(ARGUMENTS, sentence) for sentence in error.faults]
        return None
    given.faults += [Fault(ARGUMENTS, sentence) for sentence in manifest_faults(manifest)]
    return manifest


def _renamed(fault: Fault, named: Mapping[str, str]) -> Fault:
    return Fault(fault.file, fault.message, named.get(fault.array or "", fault.array), fault.row)


def _items_files(items: Items) -> dict[str, bytes]:
    """Contents of the item files, by name."""
    records, pictures = items
    contents = {}
    if records:
        file = io.BytesIO()
        write_records(file, records)
        contents[ITEMS_FILE] = file.getvalue()
    if pictures:
        file = io.BytesIO()
        write_thumbnails(file, pictures)
        contents[THUMBNAILS_FILE] = file.getvalue()
    return contents


def _write(folder: Path, manifest: Manifest, arrays: Mapping[str, NDArray], items: Items) -> None:
    """Write the shard and the items, then the manifest; nothing is left if one of them fails."""
    contents = {shard_file(0): npz_bytes(arrays)} | _items_files(items)
    made = not folder.exists()
    with locked(folder, "data.write_run"):
        _check_empty(folder)
        try:
            for name, content in contents.items():
                write_atomic(folder / name, content)
            checksums = {name: sha256(content) for name, content in sorted(contents.items())}
            replace(manifest, checksums=checksums).write(folder)
        except BaseException:
            with suppress(OSError):
                for name in contents:
                    (folder / name).unlink(missing_ok=True)
                if made:
                    folder.rmdir()
            raise
