"""The manifest of a run: what was run on what, with which settings. Nothing in it depends on when or how fast."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from pid_lvlm.data.errors import ContractError, Fault
from pid_lvlm.data.files import write_atomic
from pid_lvlm.data.names import CONDITIONS, MANIFEST_FILE, POOLINGS, SCHEMA_VERSION


def _from_version_1(raw: dict[str, Any]) -> dict[str, Any]:
    """Version 1 called the ground truth `planted`."""
    return {("ground_truth" if name == "planted" else name): value for name, value in raw.items()}


MIGRATIONS: Final[dict[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {1: _from_version_1}
"""From version v to v + 1: a function on the manifest's mapping."""


@dataclass(frozen=True)
class Manifest:
    """One run: one model (or checkpoint) on one dataset with one extraction setting.

    `layers` are the recorded layers in ascending order, 1 being the first decoder block; the last entry is
    the model's real output. `ground_truth` holds the true atoms in bits where they are known. `recipe` identifies
    every setting that changes numbers: a run is only ever continued under the same recipe. `dataset_rows` says
    what became of the benchmark file's rows, where that is known.
    """

    run: str
    model: str
    dataset: str
    layers: tuple[int, ...]
    num_layers: int
    num_samples: int
    max_options: int
    d1: int
    d2: int
    finished: bool = False
    schema_version: int = SCHEMA_VERSION
    revision: str | None = None
    dtype: str = "float32"
    family: str = "unknown"
    num_parameters: int | None = None
    size_b: float | None = None
    stage: str | None = None
    step: int | None = None
    split: str | None = None
    dataset_sha256: str | None = None
    items_sha256: str | None = None
    dataset_rows: Mapping[str, Any] = field(default_factory=dict)
    prompt: str | None = None
    prompt_example: str | None = None
    noise_seed: int | None = None
    noise_sites: Mapping[str, str] = field(default_factory=dict)
    conditions: tuple[str, ...] = CONDITIONS
    poolings: tuple[str, ...] = POOLINGS
    shard_size: int | None = None
    ground_truth: Mapping[str, float] | None = None
    candidates: Mapping[str, Any] = field(default_factory=dict)
    recipe: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def num_shards(self) -> int:
        """Shards of the finished run."""
        if not self.shard_size or self.num_samples == 0:
            return 1
        return -(-self.num_samples // self.shard_size)

    def shard_rows(self, index: int) -> int:
        """Samples that shard `index` of the finished run holds."""
        if not self.shard_size:
            return self.num_samples
        return min(self.shard_size, self.num_samples - index * self.shard_size)

    def write(self, folder: Path) -> None:
        """Write `manifest.json` into `folder`: all of it or nothing."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"
        write_atomic(folder / MANIFEST_FILE, text.encode())


ROW_COUNTS: Final = ("read", "chosen", "kept")
"""Keys of `dataset_rows`, beside `dropped`, a mapping of reasons to numbers of rows."""

_TUPLES: Final = ("layers", "conditions", "poolings")


def read_manifest(folder: Path) -> Manifest:
    """Read and migrate the manifest of a run folder.

    Raises:
        ContractError: it is missing, not JSON, from a newer schema, or lacks a field.
    """

    def fail(message: str) -> ContractError:
        return ContractError(str(folder), [Fault(MANIFEST_FILE, message)])

    path = folder / MANIFEST_FILE
    if not folder.is_dir():
        raise ContractError(str(folder), [Fault(str(folder), "the folder does not exist; check the path")])
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise fail("missing, so this is not a run folder; make one with pid-extract or data.write_run") from None
    except (ValueError, OSError) as error:
        raise fail(f"cannot be read as JSON ({error}); extract the run again") from None
    if not isinstance(raw, dict):
        raise fail("expected a JSON object; extract the run again")
    version = raw.get("schema_version")
    if not isinstance(version, int):
        raise fail(f"`schema_version` should be an integer, found {version!r}")
    if version > SCHEMA_VERSION:
        raise fail(f"schema version {version} is newer than this program knows ({SCHEMA_VERSION}); upgrade pid-lvlm")
    while version < SCHEMA_VERSION:
        if version not in MIGRATIONS:
            raise fail(f"schema version {version} cannot be migrated; extract the run again")
        raw = MIGRATIONS[version](raw)
        version += 1
    raw["schema_version"] = SCHEMA_VERSION
    return _from_mapping(raw, fail)


def _from_mapping(raw: dict[str, Any], fail: Callable[[str], ContractError]) -> Manifest:
    known = {item.name for item in fields(Manifest)}
    if unknown := sorted(set(raw) - known):
        advice = "if a newer pid-lvlm wrote it, upgrade"
        raise fail(f"unknown field `{unknown[0]}`; {advice}; known are {', '.join(sorted(known))}")
    values: dict[str, Any] = {
        name: tuple(value) if name in _TUPLES and isinstance(value, list) else value for name, value in raw.items()
    }
    try:
        manifest = Manifest(**values)
    except TypeError as error:
        raise fail(f"a field is missing ({str(error).partition('__init__() ')[2]})") from None
    if message := _first_wrong_type(manifest):
        raise fail(message)
    return manifest


def _first_wrong_type(manifest: Manifest) -> str | None:
    for name in ("num_layers", "num_samples", "max_options", "d1", "d2"):
        value = getattr(manifest, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            return f"`{name}` should be a non-negative integer, found {value!r}"
    for name in _TUPLES:
        if not isinstance(getattr(manifest, name), tuple) or not getattr(manifest, name):
            return f"`{name}` should be a non-empty list, found {getattr(manifest, name)!r}"
    for name in ("run", "model", "dataset"):
        if not isinstance(getattr(manifest, name), str):
            return f"`{name}` should be text, found {getattr(manifest, name)!r}"
    if not isinstance(manifest.finished, bool):
        return f"`finished` should be true or false, found {manifest.finished!r}"
    if manifest.shard_size is not None and (not isinstance(manifest.shard_size, int) or manifest.shard_size < 1):
        return f"`shard_size` should be a positive integer, found {manifest.shard_size!r}"
    if (rows := manifest.dataset_rows) and not _are_row_counts(rows):
        wanted = f"numbers of rows as {', '.join(ROW_COUNTS)} and `dropped`, a number for each reason"
        return f"`dataset_rows` should give {wanted}; found {rows!r}"
    return None


def _are_row_counts(rows: Any) -> bool:
    if not isinstance(rows, Mapping) or set(rows) != {*ROW_COUNTS, "dropped"}:
        return False
    if not isinstance(rows["dropped"], Mapping):
        return False
    counts = [*(rows[name] for name in ROW_COUNTS), *rows["dropped"].values()]
    return all(isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in counts)


def recipe_hash(settings: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits that identify a mapping of settings, whatever its order."""
    text = json.dumps(settings, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
