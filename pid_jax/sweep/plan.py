"""What to fit, from manifests alone: problems, shapes and unusable runs."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from pid_jax.config import BATCH, ESTIMATORS, EstimatorConfig
from pid_jax.problems.ablations import NOT_BATCH, select_ablations
from pid_jax.problems.layers import Layers, parse_layers, select_layers
from pid_jax.problems.types import ProblemKey, Refusal
from pid_jax.results.rows import make_table, refused_row
from pid_jax.setting import ArgumentError, ArgumentTypeError, spell
from pid_jax.sweep.protocol import RunPlan
from pid_jax.sweep.registry import SOLVERS
from pid_lvlm.data import ContractError, Fault, Manifest, PidError, RunOutline, find_runs, outline_run
from pid_lvlm.data.contract.schema.manifest import read_manifest, recipe_hash
from pid_lvlm.data.contract.table.result_checks import checked_table
from pid_lvlm.data.contract.table.results import CROSSED
from pid_lvlm.data.names import ATOMS, CROSSED_ARRAYS, MANIFEST_FILE, by_number, feature_key


@dataclass(frozen=True)
class Plan:
    """Runs that will be fitted, and refused runs."""

    runs: tuple[RunPlan, ...]
    refusals: tuple[Refusal, ...] = ()


def plan_runs(
    paths: str | Path | Iterable[str | Path], config: EstimatorConfig, layers: str = "all", allow_partial: bool = False
) -> Plan:
    """Plan every run; an unusable run becomes a refusal with its reason.

    Args:
        paths: run folders, or folders of run folders.
        config: settings.
        layers: `all`, `last` or a list such as `1,8,last`.
        allow_partial: use the finished shards of unfinished runs.

    Raises:
        ArgumentError: `layers` is not such a list, or BATCH is requested for crossed pairs only.
        PidError: a path is not a run folder, or no run can be used.
    """
    if config.estimator == BATCH and set(config.ablations) == {CROSSED}:
        raise ArgumentError("ablations", f"{NOT_BATCH}; choose another estimator")
    wanted = parse_layers(layers)
    runs: list[RunPlan] = []
    refusals: list[Refusal] = []
    error: PidError | None = None
    for folder in sorted(set(find_runs(_paths(paths))), key=lambda folder: by_number(str(folder))):
        try:
            outline = outline_run(folder, allow_partial=allow_partial)
        except PidError as refused:
            error = error or refused
            refusals += _refuse(folder, refused, ESTIMATORS[config.estimator], config, wanted)
            continue
        for name in ESTIMATORS[config.estimator]:
            if name == BATCH and set(config.ablations) == {CROSSED}:
                continue
            try:
                runs.append(plan_run(outline, config, wanted, name))
            except PidError as refused:
                error = error or refused
                refusals += _refuse(folder, refused, [name], config, wanted)
    for run, reason in unwritable(runs, config):
        runs.remove(run)
        error = error or PidError(reason)
        refusals.append(Refusal(run.outline.folder, reason))
    refusals = _once(refusals)
    if error and not runs:
        raise none_usable([refused.reason for refused in refusals]) from error
    return Plan(tuple(runs), tuple(refusals))


def _paths(paths: str | Path | Iterable[str | Path]) -> Sequence[str | Path]:
    named = [paths] if isinstance(paths, str | Path) else list(paths) if isinstance(paths, Iterable) else None
    if named is None or not all(isinstance(path, str | Path) for path in named):
        raise ArgumentTypeError("runs", f"expected paths of folders, found {spell(paths)}")
    if not named:
        raise ArgumentError("runs", "expected at least one folder, found none")
    return named


def unwritable(runs: Sequence[RunPlan], config: EstimatorConfig) -> list[tuple[RunPlan, str]]:
    """Runs whose rows the result table cannot hold, with the reason; found before fitting."""
    try:
        checked_table(make_table([_first_row(run, config) for run in runs]))
    except (PidError, pl.exceptions.PolarsError, OverflowError, TypeError, ValueError, AttributeError) as error:
        if len(runs) == 1:
            why = str(error).removeprefix("row 0, ").partition("\n")[0][:200]
            fault = Fault(MANIFEST_FILE, f"the result table cannot hold what it says: {why}")
            return [(runs[0], str(ContractError(str(runs[0].outline.folder), [fault])))]
        return [bad for run in runs for bad in unwritable([run], config)]
    return []


def _first_row(run: RunPlan, config: EstimatorConfig) -> dict[str, Any]:
    truth = run.outline.manifest.ground_truth or {}
    row = refused_row(run.outline.manifest, run.keys[0], str(run.outline.folder), config)
    return row | {"problem_id": str(id(run))} | {f"true_{atom}": truth.get(atom) for atom in ATOMS}


def none_usable(reasons: Sequence[str]) -> PidError:
    """The error if every run was refused, with the reason of the first."""
    if len(reasons) == 1:
        return PidError(reasons[0])
    return PidError(f"none of the {len(reasons)} runs can be used; the first: {reasons[0]}")


def _refuse(
    folder: Path, error: PidError, estimators: Sequence[str], config: EstimatorConfig, layers: Layers
) -> list[Refusal]:
    """A refused run with its reason, and its problems if the manifest can be read."""
    try:
        manifest = read_manifest(folder)
        keys = [key for name in estimators for key in problem_keys(manifest, config, layers, name)]
        return [Refusal(folder, str(error), manifest, tuple(keys))]
    except PidError:
        return [Refusal(folder, str(error))]


def _once(refusals: Sequence[Refusal]) -> list[Refusal]:
    """Merge refusals of one folder for one reason: by several estimators, or of an unreadable run."""
    found: dict[tuple[Path, str], Refusal] = {}
    for refusal in refusals:
        name = (refusal.folder, refusal.reason)
        keys = (*found[name].keys, *refusal.keys) if name in found else refusal.keys
        found[name] = replace(refusal, keys=tuple(dict.fromkeys(keys)))
    return list(found.values())


def plan_run(outline: RunOutline, config: EstimatorConfig, layers: Layers = (), estimator: str = BATCH) -> RunPlan:
    """Problems and shape of one run under one estimator.

    Raises:
        PidError: the run has too few rows, or lacks a layer, pooling or condition.
    """
    manifest = outline.manifest
    keys = problem_keys(manifest, config, layers, estimator)
    for kind, wanted, held in (
        ("pooling", tuple(dict.fromkeys(key.pooling for key in keys if key.pooling)), manifest.poolings),
        ("condition", (config.language_condition,), manifest.conditions),
    ):
        if missing := [name for name in wanted if name not in held]:
            message = f"no {kind} {missing[0]!r}; it has {', '.join(held)}"
            raise ContractError(str(outline.folder), [Fault(MANIFEST_FILE, message)])
    layout, shape = SOLVERS[estimator].shapes(outline, config)
    return RunPlan(outline, estimator, keys, tuple(problem_id(outline, key, config) for key in keys), layout, shape)


def problem_keys(manifest: Manifest, config: EstimatorConfig, layers: Layers, estimator: str) -> tuple[ProblemKey, ...]:
    """The problems of an estimator: all ablations, layers, taus, and whatever else distinguishes them.

    Raises:
        PidError: the run lacks a layer or an ablation.
    """
    keys = SOLVERS[estimator].keys(select_layers(manifest, layers), config)
    chosen = select_ablations(manifest, config.ablations, estimator)
    return tuple(key._replace(ablation=name) for name in chosen for key in keys)


def problem_id(outline: RunOutline, key: ProblemKey, config: EstimatorConfig) -> str:
    """A hash of the run's name, its arrays, the layer and every setting, as sixteen hexadecimal digits."""
    content = hashlib.sha256()
    features = (feature_key(source, key.pooling) for source in (1, 2)) if key.pooling else ()
    scores = CROSSED_ARRAYS if key.ablation == CROSSED else ("loglik",)
    for name in ("sample_id", "group_id", "num_options", *scores, *features):
        content.update(outline.checksums.get(name, "").encode())
    identity = {"run": outline.manifest.run, "layer": key.layer, "content": content.hexdigest()}
    return recipe_hash(identity | dict(config.for_single(key.tau, key.pooling, key.estimator, key.ablation)))
