"""Whether a run needs no work at all, judged from its folder without loading weights or reading items."""

from collections.abc import Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Final

from pid_lvlm.data.contract.reading.run_folder import is_run
from pid_lvlm.data.contract.schema.manifest import Manifest, read_manifest
from pid_lvlm.data.errors import PidError
from pid_lvlm.data.names import ITEM_FILES
from pid_lvlm.extract.config import HEAD_FLOAT32, KEEP_PICTURES, SPAN_WORDS, ExtractionConfig, ModelSpec, crossed_field
from pid_lvlm.extract.datasets.load import DatasetOutline
from pid_lvlm.extract.run.contents.conditions import run_conditions
from pid_lvlm.extract.run.contents.keep_items import FILES
from pid_lvlm.extract.run.contents.layers import parse_layers

COMPARED: Final = {
    ModelSpec: {
        *("model", "revision", "dtype", "device", "name", "family", "size_b", "stage", "step", "layers", "limit"),
        *("head_dtype", "processor", "crossed", "ablation", "other_draws", "datasets"),
    },
    ExtractionConfig: {
        *("out", "layers", "seed", "prompt", "language_span", "batch_size", "shard_size", "limit", "keep_items"),
        *("batch_tokens", "workers", "crossed", "crossed_within", "ablation", "other_draws"),
    },
}
"""Settings that `is_settled` compares, or that change nothing in a finished folder; all others must be defaults."""


def is_settled(folder: Path, spec: ModelSpec, dataset: DatasetOutline, config: ExtractionConfig) -> bool:
    """Whether a run is finished with these settings, as far as its manifest tells.

    Assumes that weights and items have not changed. If the manifest does not tell, the answer is no: a command that
    checks the run itself then decides.

    Args:
        folder: folder of the run.
        spec: the model.
        dataset: what is known about its items.
        config: settings of the command.
    """
    if not is_run(folder):
        return False
    try:
        manifest = read_manifest(folder)
        layers = parse_layers(spec.layers or config.layers, manifest.num_layers)
    except PidError:
        return False
    return (
        manifest.finished
        and bool(manifest.checksums)
        and all((folder / name).is_file() for name in manifest.checksums)
        and _is_default(spec)
        and _is_default(config)
        and manifest.layers == layers
        and manifest.conditions == run_conditions(spec, config)
        and manifest.noise_seed == config.seed
        and manifest.shard_size == config.shard_size
        and manifest.crossed == crossed_field(spec, config)
        and config.prompt in (None, manifest.prompt)
        and spec.dtype in (None, manifest.dtype)
        and manifest.processor == spec.processor
        and manifest.head_dtype == (None if manifest.dtype == HEAD_FLOAT32 else _head_dtype(spec))
        and spec.family in (None, manifest.family)
        and spec.size_b in (None, manifest.size_b)
        and any(f"({SPAN_WORDS[config.language_span]})" in site for site in manifest.noise_sites.values())
        and _has_all_rows(manifest, [limit for limit in (spec.limit, config.limit) if limit is not None])
        and _keeps(manifest, config.keep_items or dataset.keep_items or KEEP_PICTURES)
    )


def _has_all_rows(manifest: Manifest, limits: Sequence[int]) -> bool:
    """Whether a run has the rows determined by the file and the limits."""
    rows = manifest.dataset_rows
    whole = bool(rows) and rows["kept"] + sum(rows["dropped"].values()) == rows["chosen"]
    if not limits:
        return whole
    limit = min(limits)
    return manifest.num_samples == limit or (whole and manifest.num_samples < limit)


def _head_dtype(spec: ModelSpec) -> str | None:
    """The manifest entry of a run whose model is not float32."""
    return HEAD_FLOAT32 if spec.head_dtype == HEAD_FLOAT32 else None


def _keeps(manifest: Manifest, how: str) -> bool:
    return {name for name in ITEM_FILES if name in manifest.checksums} == set(FILES[how])


def _is_default(settings: Any) -> bool:
    """Whether all settings that are not compared have their defaults."""
    return all(
        getattr(settings, one.name) == (one.default if one.default_factory is MISSING else one.default_factory())
        for one in fields(settings)
        if one.name not in COMPARED[type(settings)]
    )
