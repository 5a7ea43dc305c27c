"""Solutions to rows of the result table (`pid_lvlm.data.contract.results`): the place where nats become bits."""

import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import polars as pl
from jaxtyping import Float
from scipy import stats

from pid_jax.config import EstimatorConfig
from pid_jax.information import InformationTerms, atoms_from_terms
from pid_jax.problems.build import Workload
from pid_jax.problems.types import ProblemKey, Refusal
from pid_jax.results.solution import Result, Solution
from pid_jax.results.versions import versions_json
from pid_lvlm.data import Manifest
from pid_lvlm.data.contract.manifest import recipe_hash
from pid_lvlm.data.contract.result_table import SCHEMA
from pid_lvlm.data.contract.results import RESULT_SCHEMA_VERSION
from pid_lvlm.data.names import ATOMS

ESTIMATOR: Final = "batch"
INTERVAL: Final = 0.95


def problem_row(
    manifest: Manifest,
    name: str,
    key: ProblemKey,
    workload: Workload,
    solution: Solution,
    config: EstimatorConfig,
) -> dict[str, Any]:
    """One row of the result table, without `device` and `seconds`."""
    rows = workload.rows[key.layer, key.tau]
    draw = workload.draws[0]
    return {
        **_identity(manifest, name, key, config),
        "num_train": len(draw.split_train),
        "num_test": int(draw.test.mask.sum()),
        **atom_columns(solution, manifest.ground_truth),
        **term_columns(solution.terms),
        **workload.accuracy.get(key.layer, {}),
        **{f"uniform_{condition}": share for condition, share in rows.uniform.items()},
        "marginal_mismatch": rows.marginal_mismatch,
        "sinkhorn_error": float(solution.sinkhorn_error.max()),
        "loss_first": float(solution.loss[:, 0].mean()),
        "loss_last": float(solution.loss[:, -1].mean()),
        "gap": None,
        "result": solution.result.label,
    }


def refused_row(manifest: Manifest, key: ProblemKey, name: str, config: EstimatorConfig) -> dict[str, Any]:
    """The row of a problem of an unusable run: its identity and no numbers."""
    missing = {"num_train": 0, "num_test": 0, "result": Result.INVALID_RUN.label, "device": ""}
    return _identity(manifest, name, key, config) | missing


def refused_rows(refusal: Refusal, config: EstimatorConfig) -> list[dict[str, Any]]:
    """A row per problem of a run that was refused; none if its manifest cannot be read."""
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
        "estimator": ESTIMATOR,
        "tau": key.tau,
        "pooling": key.pooling,
        "seeds": list(config.seeds),
        "num_options": manifest.max_options,
        "recipe": json.dumps(config.for_single(key.tau, key.pooling)),
        "schema_version": RESULT_SCHEMA_VERSION,
        "versions": versions_json(manifest.versions),
    }


def atom_columns(solution: Solution, ground_truth: Mapping[str, float] | None) -> dict[str, float | None]:
    """Every atom: mean over seeds (cut at 0 and raw), spread, 95 % interval of the mean, share; all in bits."""
    seeds_bits = [np.asarray(atom, dtype=np.float64) for atom in atoms_from_terms(solution.terms).in_bits()]
    clipped = [max(float(values.mean()), 0.0) for values in seeds_bits]
    total = sum(clipped)
    columns: dict[str, float | None] = {}
    for atom, values, cut in zip(ATOMS, seeds_bits, clipped, strict=True):
        mean = float(values.mean())
        sd, half = seed_spread(values)
        columns |= {
            atom: cut,
            f"{atom}_raw": mean,
            f"{atom}_low": None if half is None else mean - half,
            f"{atom}_high": None if half is None else mean + half,
            f"{atom}_sd": sd,
            f"{atom}_share": cut / total if total > 0 else None,
            f"true_{atom}": None if ground_truth is None else ground_truth.get(atom),
        }
    return columns


def seed_spread(values: Float[np.ndarray, " seeds"]) -> tuple[float | None, float | None]:
    """Standard deviation over seeds, and half the 95 % Student interval of their mean; None for one seed."""
    if len(values) < 2:
        return None, None
    sd = float(values.std(ddof=1))
    quantile = float(stats.t.ppf((1 + INTERVAL) / 2, len(values) - 1))
    return sd, quantile * sd / len(values) ** 0.5


def term_columns(terms: InformationTerms) -> dict[str, float]:
    """The four information terms and the co-information I(X1;X2;Y) = I1 + I2 - I12, mean over seeds, in bits."""
    i1, i2, i12, iq = (float(np.mean(term)) for term in terms.in_bits())
    return {"i_vision": i1, "i_language": i2, "i_joint": i12, "i_coupling": iq, "coinformation": i1 + i2 - i12}


def make_table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows as a frame with the columns of the schema, in their order; numbers that are not finite become empty."""
    finite = (pl.when(pl.col(name).is_finite()).then(pl.col(name)) for name, kind in SCHEMA.items() if kind.is_float())
    return pl.DataFrame(rows, schema=SCHEMA).with_columns(finite)
