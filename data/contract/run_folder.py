"""Run folders: read one, write one from plain numpy arrays."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pid_lvlm.data.contract.manifest import Manifest, read_manifest
from pid_lvlm.data.contract.run_header import checked_manifest, shards_to_read
from pid_lvlm.data.contract.validate import duplicate_id_faults, load_shard, manifest_faults, shard_faults
from pid_lvlm.data.errors import ARGUMENTS, ContractError, Fault, OutputExistsError
from pid_lvlm.data.files import write_npz
from pid_lvlm.data.names import CONDITIONS, MANIFEST_FILE, POOLINGS, by_number, feature_key, shard_file


@dataclass(frozen=True)
class Run:
    """A validated run: its manifest and its arrays, all shards joined (axes in `pid_lvlm.data.contract.arrays`)."""

    folder: Path
    manifest: Manifest
    arrays: Mapping[str, NDArray]

    def __len__(self) -> int:
        return len(self.arrays["sample_id"])

    def features(self, source: int, pooling: str) -> NDArray:
        """Features (n, d) of source 1 or 2 under one pooling.

        Raises:
            ContractError: the run was written without this pooling.
        """
        key = feature_key(source, pooling)
        if key not in self.arrays:
            kept = ", ".join(self.manifest.poolings)
            raise ContractError(str(self.folder), [Fault(MANIFEST_FILE, f"no pooling {pooling!r}; it has {kept}")])
        return self.arrays[key]


def read_run(
    folder: str | Path,
    *,
    allow_partial: bool = False,
    poolings: Iterable[str] | None = None,
    shards: Sequence[int] | None = None,
) -> Run:
    """Read and validate a run folder.

    Args:
        folder: the run folder.
        allow_partial: accept an unfinished run and use the shards that it has.
        poolings: read the features under these poolings only; by default under all.
        shards: numbers of the shards to read (`RunOutline.shards`); by default all.

    Raises:
        ContractError: lists every fault found.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> scores = np.log(np.full((5, 3, 4), 0.25))
        >>> folder = write_run(
        ...     tempfile.mkdtemp(), model="mine", dataset="toy", loglik=scores, x1=np.eye(5), x2=np.eye(5))
        >>> run = read_run(folder)
        >>> run.arrays["loglik"].shape  # samples, conditions, layers, options
        (5, 3, 1, 4)
        >>> run.manifest.model
        'mine'
    """
    folder = Path(folder)
    manifest = checked_manifest(folder)
    indices_read = shards_to_read(folder, manifest, allow_partial) if shards is None else shards
    skipped = (
        set() if poolings is None else {feature_key(s, p) for s in (1, 2) for p in POOLINGS if p not in set(poolings)}
    )
    loaded = _load(folder, manifest, indices_read, skipped)
    return Run(folder, manifest, loaded)


def find_runs(paths: Iterable[str | Path]) -> list[Path]:
    """Run folders among `paths`; each path is a run folder or a folder of run folders, whose numbers count as numbers.

    Raises:
        ContractError: a path is neither.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        children = [file.parent for file in path.glob(f"*/{MANIFEST_FILE}")]
        children.sort(key=lambda child: by_number(child.name))
        if children and not (path / MANIFEST_FILE).exists():
            found += children
            continue
        if not (path / MANIFEST_FILE).is_file():
            read_manifest(path)  # says what is wrong; what is wrong inside a manifest is found run by run
        found.append(path)
    return found


def validate_run(folder: str | Path) -> list[Fault]:
    """Every fault of a run folder; an empty list means that it is valid."""
    try:
        read_run(folder)
    except ContractError as error:
        return list(error.faults)
    return []


def _load(folder: Path, manifest: Manifest, indices: Sequence[int], skipped: set[str]) -> dict[str, NDArray]:
    kept_poolings = tuple(p for p in manifest.poolings if feature_key(1, p) not in skipped)
    view = manifest if not skipped else _with_poolings(manifest, kept_poolings)
    faults: list[Fault] = []
    shards: list[dict[str, NDArray]] = []
    files: list[str] = []
    for index in indices:
        path = folder / shard_file(index)
        arrays, broken = load_shard(path, skipped=skipped)
        faults += broken
        if broken:
            continue
        wrong = shard_faults(path.name, arrays, view, manifest.shard_rows(index))
        faults += [fault for fault in wrong if fault.array not in skipped]
        shards.append(arrays)
        files.append(path.name)
    ids = [arrays.get("sample_id", np.array([], dtype="U1")) for arrays in shards]
    faults += duplicate_id_faults(files, ids)
    if faults:
        raise ContractError(str(folder), faults)
    # A run that an older version began may lack an optional array in its first shards: then the run has none.
    shared = [name for name in shards[0] if all(name in arrays for arrays in shards)]
    return {name: np.concatenate([arrays[name] for arrays in shards]) for name in shared}


def _with_poolings(manifest: Manifest, poolings: tuple[str, ...]) -> Manifest:
    return replace(manifest, poolings=poolings or POOLINGS[:1])


def write_run(
    folder: str | Path,
    *,
    model: str,
    dataset: str,
    loglik: ArrayLike,
    x1: ArrayLike | Mapping[str, ArrayLike],
    x2: ArrayLike | Mapping[str, ArrayLike],
    num_options: ArrayLike | None = None,
    label: ArrayLike | None = None,
    sample_id: Sequence[str] | None = None,
    group_id: Sequence[str] | None = None,
    layers: Sequence[int] | None = None,
    **manifest_fields: Any,
) -> Path:
    """Write a run folder from plain numpy arrays: for models that pid-extract does not support.

    Args:
        folder: a new or empty folder.
        model: name of the model.
        dataset: name of the dataset.
        loglik: (n, c, k) or (n, c, l, k) nats: mean token log-likelihood of each option under the full
            vocabulary, conditions in the order both, vision_only, language_only and, if measured, no_image;
            -inf for options that an item does not have.
        x1: (n, d1) features of the image, or a mapping from `mean`, `max` or `last` to such arrays.
        x2: (n, d2) features of the question, or such a mapping.
        num_options: (n,) options of each item; by default the finite columns of `loglik`.
        label: (n,) index of the right option, -1 if unknown.
        sample_id: names of the samples, unique; by default their numbers.
        group_id: rows of one group are never divided between training and test; by default each row is a group.
        layers: numbers of the recorded layers; the last is the output. By default 1, 2, …
        **manifest_fields: other fields of `data.Manifest`, such as `family="llava"` or `size_b=7.0`.

    Returns:
        The folder.

    Raises:
        OutputExistsError: the folder is not empty.
        ContractError: the arrays are not valid; nothing is written.

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
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        message = f"`{folder}` exists and is not empty; choose a new folder or delete it first"
        raise OutputExistsError(message)
    scores = np.asarray(loglik, dtype=np.float32)
    if scores.ndim == 3:
        scores = scores[:, :, None, :]
    if scores.ndim != 4 or scores.shape[1] not in (3, 4):
        found = np.shape(loglik)
        message = f"expected shape (n, c, k) or (n, c, l, k) with 3 or 4 conditions c, found {found}"
        raise ContractError(str(folder), [Fault(ARGUMENTS, message, "loglik")])
    n, conditions, depth, options = scores.shape
    names = [str(i) for i in range(n)] if sample_id is None else [str(name) for name in sample_id]
    arrays: dict[str, NDArray] = {
        "sample_id": np.array(names, dtype=np.str_),
        "group_id": np.array(names if group_id is None else [str(name) for name in group_id], dtype=np.str_),
        "num_options": np.asarray(
            (scores[:, 0, -1] > -np.inf).sum(-1) if num_options is None else num_options, dtype=np.int64
        ),
        "label": np.full(n, -1) if label is None else np.asarray(label, dtype=np.int64),
        "loglik": scores,
    }
    poolings: set[str] = set()
    argument_of = {name: name for name in arrays}
    for source, features in ((1, x1), (2, x2)):
        by_pooling = features if isinstance(features, Mapping) else {POOLINGS[0]: features}
        poolings |= set(by_pooling)
        for pooling, array in by_pooling.items():
            key = feature_key(source, pooling)
            arrays[key] = np.asarray(array, dtype=np.float32)
            argument_of[key] = f'x{source}["{pooling}"]' if isinstance(features, Mapping) else f"x{source}"
    numbers = tuple(range(1, depth + 1)) if layers is None else tuple(int(layer) for layer in layers)
    manifest = Manifest(
        run=manifest_fields.pop("run", folder.name),
        model=model,
        dataset=dataset,
        layers=numbers,
        num_layers=manifest_fields.pop("num_layers", numbers[-1] if numbers else 0),
        num_samples=n,
        max_options=options,
        d1=_width(arrays["x1_mean"]) if "x1_mean" in arrays else 0,
        d2=_width(arrays["x2_mean"]) if "x2_mean" in arrays else 0,
        conditions=CONDITIONS[:conditions],
        poolings=tuple(p for p in POOLINGS if p in poolings) or POOLINGS[:1],
        finished=True,
        **manifest_fields,
    )
    faults = manifest_faults(manifest, ARGUMENTS) + shard_faults(ARGUMENTS, arrays, manifest, n)
    faults += duplicate_id_faults([ARGUMENTS], [arrays["sample_id"]])
    if faults:
        named = [replace(fault, array=argument_of.get(fault.array or "", fault.array)) for fault in faults]
        raise ContractError(str(folder), named)
    write_npz(folder / shard_file(0), arrays)
    manifest.write(folder)
    return folder


def _width(features: NDArray) -> int:
    return features.shape[1] if features.ndim == 2 else 0
