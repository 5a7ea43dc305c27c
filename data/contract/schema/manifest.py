"""The manifest of a run: what was run on what, with which settings. It does not depend on when or how fast it ran."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from pid_lvlm.data.bounds import SHARDS
from pid_lvlm.data.command.shown import count
from pid_lvlm.data.contract.schema.conditions import condition_faults
from pid_lvlm.data.contract.schema.fields import (
    Amount,
    Atoms,
    Checksums,
    Count,
    Crossed,
    Integer,
    Label,
    Layer,
    Length,
    Options,
    RowCounts,
    Samples,
    Width,
    Words,
)
from pid_lvlm.data.contract.schema.receipt import Receipt, receipt_faults
from pid_lvlm.data.errors import ContractError, Fault
from pid_lvlm.data.files import write_atomic
from pid_lvlm.data.inputs.schema import STRICT, SchemaError, checked, shown
from pid_lvlm.data.inputs.text import TextError, parse_json, read_text
from pid_lvlm.data.names import (
    CONDITIONS,
    ITEM_FILES,
    ITEMS_FILE,
    MANIFEST_FILE,
    NOISE_FILE,
    POOLINGS,
    SCHEMA_VERSION,
    THUMBNAILS_FILE,
    shard_file,
)


def _from_version_1(raw: dict[str, Any]) -> dict[str, Any]:
    """Version 1 called the ground truth `planted`."""
    return {("ground_truth" if name == "planted" else name): value for name, value in raw.items()}


def _from_version_2(raw: dict[str, Any]) -> dict[str, Any]:
    """Version 2 had no checksums."""
    return raw


def _from_version_3(raw: dict[str, Any]) -> dict[str, Any]:
    """Version 3 kept no items."""
    return raw


def _from_version_4(raw: dict[str, Any]) -> dict[str, Any]:
    """Version 4 had no crossed pairs."""
    return raw


MIGRATIONS: Final[dict[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    1: _from_version_1,
    2: _from_version_2,
    3: _from_version_3,
    4: _from_version_4,
}
"""Migrations from version v to v + 1, functions on the manifest's mapping."""


@dataclass(frozen=True)
class Manifest:
    """One run: one model (or checkpoint) on one dataset with one extraction setting.

    `layers` are the recorded layers in ascending order, 1 being the first decoder block; the last entry is
    the model's real output. `ground_truth` holds the true atoms in bits where they are known. `recipe` identifies
    every setting that changes numbers: a run is only ever continued with the same recipe. `dataset_rows` counts
    what happened to the rows of the benchmark file, if known. `checksums` holds the SHA-256 of every file of the run
    written so far, and thus shows which items are kept; older versions wrote none. `crossed` gives the number of
    questions asked about each picture (`pairs`) and the items among which questions were exchanged (`within`); it is
    empty for a run without crossed pairs. `receipt` records the checks on the first items, made before measuring;
    runs of older versions and of `write_run` have none.

    The annotations are the schema of `manifest.json`, for reading and writing; `manifest_faults` has the rules between
    fields.
    """

    __pydantic_config__ = STRICT

    run: Label
    model: Label
    dataset: Label
    layers: tuple[Layer, ...]
    num_layers: Layer
    num_samples: Samples
    max_options: Options
    d1: Width
    d2: Width
    finished: bool = False
    schema_version: int = SCHEMA_VERSION
    revision: Label | None = None
    dtype: Label = "float32"
    family: Label = "unknown"
    num_parameters: Count | None = None
    size_b: Amount | None = None
    stage: Label | None = None
    step: Count | None = None
    split: Label | None = None
    dataset_sha256: Label | None = None
    items_sha256: Label | None = None
    dataset_rows: RowCounts = field(default_factory=dict)
    prompt: Label | None = None
    prompt_example: str | None = None
    noise_seed: Integer | None = None
    noise_sites: Words = field(default_factory=dict)
    conditions: tuple[Label, ...] = CONDITIONS
    poolings: tuple[Label, ...] = POOLINGS
    crossed: Crossed = field(default_factory=dict)
    shard_size: Length | None = None
    ground_truth: Atoms | None = None
    candidates: Mapping[str, Any] = field(default_factory=dict)
    head_dtype: Label | None = None
    processor: Mapping[str, Any] = field(default_factory=dict)
    recipe: Label | None = None
    versions: Words = field(default_factory=dict)
    checksums: Checksums = field(default_factory=dict)
    receipt: Receipt | None = None

    @property
    def pairs(self) -> int:
        """Number of questions per picture in the crossed pairs; 0 for a run without any."""
        return int(self.crossed.get("pairs", 0))

    @property
    def num_shards(self) -> int:
        """Number of shards of the finished run."""
        if not self.shard_size or self.num_samples == 0:
            return 1
        return -(-self.num_samples // self.shard_size)

    def shard_rows(self, index: int) -> int:
        """Number of samples in shard `index` of the finished run."""
        if not self.shard_size:
            return self.num_samples
        return min(self.shard_size, self.num_samples - index * self.shard_size)

    def first_row(self, index: int) -> int:
        """Index in the run of the first sample of shard `index`."""
        return index * (self.shard_size or 0)

    def write(self, folder: Path) -> None:
        """Write `manifest.json` into `folder`, atomically.

        Raises:
            ContractError: it would be invalid; nothing is written.
            PidError: the disk is full or the folder cannot be written.
        """
        raw = asdict(self)
        if faults := mapping_faults(raw):
            raise ContractError(str(folder), [Fault(MANIFEST_FILE, fault) for fault in faults])
        text = json.dumps(raw, indent=2, ensure_ascii=False) + "\n"
        write_atomic(folder / MANIFEST_FILE, text.encode())


def mapping_faults(raw: dict[str, Any]) -> list[str]:
    """Faults of the fields of a manifest, as sentences."""
    try:
        return manifest_faults(checked(Manifest, raw))
    except SchemaError as error:
        return list(error.faults)


def read_manifest(folder: Path) -> Manifest:
    """Read, migrate and check the manifest of a run folder.

    Raises:
        ContractError: it is missing, not JSON, of a newer schema, or invalid.
    """

    def fail(*messages: str) -> ContractError:
        return ContractError(str(folder), [Fault(MANIFEST_FILE, message) for message in messages])

    path = folder / MANIFEST_FILE
    try:
        if not folder.is_dir():
            raise ContractError(str(folder), [Fault(str(folder), "the folder does not exist; check the path")])
        if not path.is_file():
            raise fail("missing, so this is not a run folder; make one with pid-extract or data.write_run")
    except (OSError, ValueError) as error:  # an impossible folder name, or no permission
        reason = getattr(error, "strerror", None) or error
        raise ContractError(shown(str(folder)), [Fault(MANIFEST_FILE, f"{reason}; check the path")]) from None
    try:
        raw = parse_json(read_text(path))
    except FileNotFoundError:
        raise fail("disappeared while it was read") from None
    except TextError as error:
        raise fail(f"{error}; {REPAIR}") from None
    if not isinstance(raw, dict):
        raise fail(f"expected a JSON object, found {shown(raw)}; {REPAIR}")
    raw = _migrated(raw, fail)
    try:
        manifest = checked(Manifest, raw)
    except SchemaError as error:
        raise fail(*(f"{fault}{NEWER if fault.startswith('unknown') else ''}" for fault in error.faults)) from None
    if faults := manifest_faults(manifest):
        raise fail(*faults)
    return manifest


NEWER: Final = "; if a newer pid-lvlm wrote it, upgrade"
REPAIR: Final = "restore the file, or move the folder away and extract the run again"


def _migrated(raw: dict[str, Any], fail: Callable[..., ContractError]) -> dict[str, Any]:
    version = raw.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise fail(f"`schema_version` should be an integer, found {shown(version)}")
    if version > SCHEMA_VERSION:
        newer = f"schema version {shown(version)} is newer than this program knows ({SCHEMA_VERSION})"
        raise fail(f"{newer}; upgrade pid-lvlm")
    while version < SCHEMA_VERSION:
        if version not in MIGRATIONS:
            raise fail(f"schema version {shown(version)} cannot be migrated; extract the run again")
        raw = MIGRATIONS[version](raw)
        version += 1
    return raw | {"schema_version": SCHEMA_VERSION}


def manifest_faults(manifest: Manifest) -> list[str]:
    """Rules between the fields: conditions, poolings, layers and counts must agree."""
    faults = condition_faults(manifest.conditions)
    poolings = manifest.poolings
    if POOLINGS[0] not in poolings or not set(poolings) <= set(POOLINGS) or len(set(poolings)) != len(poolings):
        faults.append(f"`poolings` should be among {POOLINGS} with {POOLINGS[0]!r}, found {shown(poolings)}")
    layers = manifest.layers
    if not layers or list(layers) != sorted(set(layers)):
        faults.append(f"`layers` should be ascending integers without repeats, found {shown(layers)}")
    elif layers[-1] != manifest.num_layers:
        faults.append(
            f"`layers` should end with the output (`num_layers`, {manifest.num_layers}), found {shown(layers)}"
        )
    if manifest.num_samples == 0:
        faults.append("the run is empty (`num_samples` is 0); extract at least one item")
    if manifest.pairs > manifest.num_samples:
        pairs = f"{manifest.pairs} questions of a picture"
        faults.append(f"`crossed` says {pairs}, but the run has {count(manifest.num_samples, 'sample')}")
    if manifest.num_shards > SHARDS.most:
        sizes = f"{manifest.num_samples:,} samples at a `shard_size` of {manifest.shard_size}"
        faults.append(f"{sizes} need {manifest.num_shards:,} files; at most {SHARDS}: choose a larger --shard-size")
    elif manifest.checksums:
        faults += _checksum_faults(manifest)
    if manifest.receipt is not None:
        faults += receipt_faults(manifest.receipt)
    return faults


def _checksum_faults(manifest: Manifest) -> list[str]:
    files = {shard_file(index) for index in range(manifest.num_shards)}
    named = set(manifest.checksums)
    if other := sorted(named - files - {NOISE_FILE, *ITEM_FILES}):
        return [f"`checksums` names {shown(other[0])}, which this run does not have"]
    if THUMBNAILS_FILE in named and ITEMS_FILE not in named:
        return [f"`checksums` names {THUMBNAILS_FILE!r} without {ITEMS_FILE!r}"]
    if manifest.finished and (missing := sorted(files - named)):
        return [f"`checksums` lacks {missing[0]!r}, but the run is finished"]
    return []


def recipe_hash(settings: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits that identify a mapping of settings, regardless of its order."""
    text = json.dumps(settings, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
