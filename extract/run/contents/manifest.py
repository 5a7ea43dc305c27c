"""Builds a run's manifest: layers, model, prompt, noise, versions, recipe."""

from dataclasses import asdict, replace
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Final

from pid_lvlm.data.bounds import TEXT
from pid_lvlm.data.contract.schema.manifest import Manifest, recipe_hash
from pid_lvlm.data.names import SOURCES
from pid_lvlm.extract.conditions.noise import Moments
from pid_lvlm.extract.config import HEAD_FLOAT32, SPAN_WORDS, ExtractionConfig, ModelSpec, crossed_field
from pid_lvlm.extract.datasets.item import Dataset
from pid_lvlm.extract.models.adapters.base import Adapter
from pid_lvlm.extract.prompts.prompt_plan import Plan
from pid_lvlm.extract.prompts.templates import template_name
from pid_lvlm.extract.run.contents.conditions import run_conditions
from pid_lvlm.extract.run.contents.layers import parse_layers

PACKAGES: Final = ("numpy", "pillow", "tokenizers", "torch", "transformers")
NOT_IN_RECIPE: Final = (
    "run",
    "finished",
    "recipe",
    "prompt_example",
    "versions",
    "dataset_rows",
    "items_sha256",
    "checksums",
    "receipt",
)

SINCE_LATER: Final = ("head_dtype", "processor", "crossed")
"""Settings that earlier versions did not have; a run that does not use them keeps its earlier recipe."""


def run_layers(spec: ModelSpec, config: ExtractionConfig, adapter: Adapter) -> tuple[int, ...]:
    """Recorded layers of a run."""
    return parse_layers(spec.layers or config.layers, len(adapter.layers))


def planned_settings(
    adapter: Adapter, spec: ModelSpec, dataset: Dataset, config: ExtractionConfig, plan: Plan
) -> dict[str, Any]:
    """Fields of a run's manifest that are known before its weights are loaded."""
    return {
        "run": spec.run_name(dataset.name),
        "model": spec.display_name,
        "dataset": dataset.name,
        "layers": run_layers(spec, config, adapter),
        "num_layers": len(adapter.layers),
        "num_samples": len(plan.items),
        "max_options": plan.max_options,
        "family": spec.family or adapter.family,
        "stage": spec.stage,
        "step": spec.step,
        "split": dataset.split,
        "dataset_sha256": dataset.sha256,
        "items_sha256": dataset.first(len(plan.items)).items_sha256,
        "prompt": template_name(config, dataset),
        "prompt_example": plan.items[0].prompt[: TEXT.most],
        "noise_seed": config.seed,
        "noise_sites": _noise_sites(adapter, config.language_span),
        "conditions": run_conditions(spec, config),
        "shard_size": config.shard_size,
        "ground_truth": dataset.ground_truth,
        "candidates": plan.candidates.describe(),
        "head_dtype": HEAD_FLOAT32 if adapter.widens_head else None,
        "processor": dict(spec.processor),
        "crossed": crossed_field(spec, config),
    }


def describe_run(
    adapter: Adapter,
    spec: ModelSpec,
    revision: str | None,
    dataset: Dataset,
    config: ExtractionConfig,
    plan: Plan,
    probe: dict[str, Moments],
) -> Manifest:
    """Manifest of an unfinished run.

    Args:
        adapter: the loaded model.
        spec: what was loaded.
        revision: commit or fingerprint of the weights.
        dataset: the items.
        config: settings of the command.
        plan: the planned items.
        probe: moments of one item's sites, for the widths.
    """
    d1, d2 = (len(probe[adapter.first_site(source).name].total) for source in SOURCES)
    parameters = sum(parameter.numel() for parameter in adapter.model.parameters())
    manifest = Manifest(
        **planned_settings(adapter, spec, dataset, config, plan),
        d1=d1,
        d2=d2,
        revision=revision,
        dtype=str(adapter.model.dtype).removeprefix("torch."),
        num_parameters=parameters,
        size_b=parameters / 1e9 if spec.size_b is None else spec.size_b,
        dataset_rows=dataset.rows.describe(len(plan.items)),
        versions=_versions(adapter),
    )
    return replace(manifest, recipe=_recipe(manifest))


def _noise_sites(adapter: Adapter, language_span: str) -> dict[str, str]:
    text = SPAN_WORDS[language_span]
    return {
        site.name: site.where + (f" ({text})" if site.source == SOURCES[1] and site.follows_span else "")
        for site in adapter.sites
    }


def _versions(adapter: Adapter) -> dict[str, str]:
    found = {package: version(package) for package in PACKAGES}
    if find_spec("torchvision"):  # not every processor needs it
        found["torchvision"] = version("torchvision")
    return {**found, "image_processor": type(adapter.processor.image_processor).__name__}


def _recipe(manifest: Manifest) -> str:
    settings: dict[str, Any] = {name: value for name, value in asdict(manifest).items() if name not in NOT_IN_RECIPE}
    for name in SINCE_LATER:
        if not settings[name]:
            del settings[name]
    settings |= {
        "planted": settings.pop("ground_truth"),
        "schema_version": 1,
    }  # the same for all versions of the contract
    return recipe_hash(settings)
