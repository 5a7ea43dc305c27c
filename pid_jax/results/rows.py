"""From solutions to rows of the result table (`pid_lvlm.data.contract.table.results`), converting nats to bits."""

import json
from typing import Any

import polars as pl

from pid_jax.config import BATCH, EstimatorConfig
from pid_jax.problems.build import LayerRows, Workload
from pid_jax.problems.game import play
from pid_jax.problems.types import ProblemKey, Refusal
from pid_jax.results.solution import Result, Solved
from pid_jax.results.versions import versions_json
from pid_lvlm.data import Manifest
from pid_lvlm.data.contract.schema.manifest import recipe_hash
from pid_lvlm.data.contract.table.result_table import SCHEMA
from pid_lvlm.data.contract.table.results import RESULT_SCHEMA_VERSION
from pid_lvlm.data.names import SOURCES


def problem_row(
    manifest: Manifest,
    name: str,
    key: ProblemKey,
    workload: Workload,
    solution: Solved,
    config: EstimatorConfig,
) -> dict[str, Any]:
    """One row of the result table, without `device` and `seconds`."""
    rows = workload.rows[key.rows]
    return {
        **_identity(manifest, name, key, config),
        "num_train": workload.num_train,
        "num_test": workload.num_test,
        **workload.accuracy.get(key.layer, {}),
        **_game_columns(rows, swapped=key.estimator == BATCH and config.anchor != SOURCES[0]),
        **{f"uniform_{condition}": share for condition, share in rows.uniform.items()},
        "marginal_mismatch": rows.marginal_mismatch,
        **solution.columns(manifest.ground_truth),
        "result": solution.result.label,
    }


def _game_columns(rows: LayerRows, *, swapped: bool) -> dict[str, float]:
    """Shapley values and dividend, if the answers without either source were measured."""
    if rows.neither is None:
        return {}
    first, second, both = rows.conditionals
    vision, language = (second, first) if swapped else (first, second)
    return play(vision, language, both, rows.neither)._asdict()


def refused_row(manifest: Manifest, key: ProblemKey, name: str, config: EstimatorConfig) -> dict[str, Any]:
    """The row for a problem of an unusable run: its identity without numbers."""
    missing = {"num_train": 0, "num_test": 0, "result": Result.INVALID_RUN.label, "device": ""}
    return _identity(manifest, name, key, config) | missing


def refused_rows(refusal: Refusal, config: EstimatorConfig) -> list[dict[str, Any]]:
    """One row per problem of a refused run; none if its manifest cannot be read."""
    if refusal.manifest is None:
        return []
    return [
        refused_row(refusal.manifest, key, recipe_hash({"refused": str(refusal.folder), "key": list(key)}), config)
        for key in refusal.keys
    ]


def _identity(manifest: Manifest, name: str, key: ProblemKey, config: EstimatorConfig) -> dict[str, Any]:
    return {
        "problem_id": name,
        "run": manifest.run,
        "model": manifest.model,
        "family": manifest.family,
        "size_b": manifest.size_b,
        "dataset": manifest.dataset,
        "layer": key.layer,
        "num_layers": manifest.num_layers,
        "stage": manifest.stage,
        "step": manifest.step,
        "preset": config.preset,
        "estimator": key.estimator,
        "tau": key.tau,
        "ablation": key.ablation,
        "pooling": key.pooling or None,
        "seeds": list(config.seeds) if key.estimator == BATCH else None,
        "num_options": manifest.max_options,
        "recipe": json.dumps(config.for_single(key.tau, key.pooling, key.estimator, key.ablation)),
        "schema_version": RESULT_SCHEMA_VERSION,
        "versions": versions_json(manifest.versions),
    }


def make_table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows as a frame with the schema's columns in order; non-finite numbers become empty."""
    finite = (pl.when(pl.col(name).is_finite()).then(pl.col(name)) for name, kind in SCHEMA.items() if kind.is_float())
    return pl.DataFrame(rows, schema=SCHEMA).with_columns(finite)
