"""What to fit, from manifests alone: problems, shapes, and the runs that cannot be used."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import polars as pl

from pid_jax.config import EstimatorConfig, FitSettings
from pid_jax.problems.splits import Layout, make_layout, split_rows, split_seeds
from pid_jax.problems.types import ProblemKey, Refusal, Shape
from pid_jax.results.rows import make_table, refused_row
from pid_jax.setting import ArgumentError, ArgumentTypeError, spell
from pid_jax.sweep.memory import check_memory
from pid_lvlm.data import ContractError, Fault, Manifest, PidError, RunOutline, find_runs, outline_run
from pid_lvlm.data.bounds import LAYERS
from pid_lvlm.data.contract.manifest import read_manifest, recipe_hash
from pid_lvlm.data.contract.result_checks import checked_table
from pid_lvlm.data.contract.sample_size import describe_rows_needed, least_test_rows
from pid_lvlm.data.names import ATOMS, MANIFEST_FILE, SOURCES, by_number, feature_key

Layers: TypeAlias = tuple[int | Literal["last"], ...]
"""Layers that were asked for; none stands for all."""

SHOWN: Final = 100
"""Layers of a run that a message lists."""

_NUMBER: Final = re.compile("[0-9]{1,9}")


@dataclass(frozen=True)
class RunPlan:
    """The problems of one run, without its arrays.

    Attributes:
        outline: the run folder.
        keys: its problems, a row of the result table each.
        ids: their names in the table, in the same order.
        layout: shape of its batches.
        shape: what its compiled program is keyed on.
    """

    outline: RunOutline
    keys: tuple[ProblemKey, ...]
    ids: tuple[str, ...]
    layout: Layout
    shape: Shape


@dataclass(frozen=True)
class Plan:
    """Runs that will be fitted, and those that were refused."""

    runs: tuple[RunPlan, ...]
    refusals: tuple[Refusal, ...] = ()


def plan_runs(
    paths: str | Path | Iterable[str | Path], config: EstimatorConfig, layers: str = "all", allow_partial: bool = False
) -> Plan:
    """Plan every run; one that cannot be used becomes a refusal with its reason.

    Args:
        paths: run folders, or folders of run folders.
        config: settings.
        layers: `all`, `last` or a list such as `1,8,last`.
        allow_partial: use the finished shards of unfinished runs.

    Raises:
        ArgumentError: `layers` is not such a list.
        PidError: a path is not a run folder, or no run can be used.
    """
    wanted = parse_layers(layers)
    runs: list[RunPlan] = []
    refusals: list[Refusal] = []
    error: PidError | None = None
    for folder in sorted(set(find_runs(_paths(paths))), key=lambda folder: by_number(str(folder))):
        try:
            runs.append(plan_run(outline_run(folder, allow_partial=allow_partial), config, wanted))
        except PidError as refused:
            error = error or refused
            refusals.append(_refuse(folder, refused, config, wanted))
    for run, reason in unwritable(runs, config):
        runs.remove(run)
        error = error or PidError(reason)
        refusals.append(Refusal(run.outline.folder, reason))
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
    """Runs whose rows the result table cannot hold, with the reason: found before anything is fitted."""
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
    """The error when every run was refused: the reason of the only one, or of the first."""
    if len(reasons) == 1:
        return PidError(reasons[0])
    return PidError(f"none of the {len(reasons)} runs can be used; the first: {reasons[0]}")


def _refuse(folder: Path, error: PidError, config: EstimatorConfig, layers: Layers) -> Refusal:
    """A refused run with its reason, and its problems if the manifest can be read."""
    try:
        manifest = read_manifest(folder)
        return Refusal(folder, str(error), manifest, problem_keys(manifest, config, layers))
    except PidError:
        return Refusal(folder, str(error))


def plan_run(outline: RunOutline, config: EstimatorConfig, layers: Layers = ()) -> RunPlan:
    """Problems and shape of one run.

    Raises:
        PidError: the run has too few rows, or lacks a layer, pooling or condition.
    """
    manifest = outline.manifest
    for kind, wanted, held in (
        ("pooling", config.poolings, manifest.poolings),
        ("condition", (config.language_condition,), manifest.conditions),
    ):
        if missing := [name for name in wanted if name not in held]:
            message = f"no {kind} {missing[0]!r}; it has {', '.join(held)}"
            raise ContractError(str(outline.folder), [Fault(MANIFEST_FILE, message)])
    keys = problem_keys(manifest, config, layers)
    layout = _layout(outline, config)
    shape = Shape(
        *((manifest.d1, manifest.d2) if config.anchor == SOURCES[0] else (manifest.d2, manifest.d1)),
        manifest.max_options,
        config.epochs * layout.per_epoch,
        config.batch_size,
        layout.test_batches,
        layout.test_width,
    )
    what = f"run `{manifest.run}`"
    check_memory(what, shape, len(outline), len(config.seeds), FitSettings.of(config))
    return RunPlan(outline, keys, tuple(problem_id(outline, key, config) for key in keys), layout, shape)


def problem_keys(manifest: Manifest, config: EstimatorConfig, layers: Layers) -> tuple[ProblemKey, ...]:
    """Every layer under every tau and pooling.

    Raises:
        PidError: the run lacks a layer.
    """
    chosen = select_layers(manifest, layers)
    return tuple(
        ProblemKey(layer, tau, pooling) for pooling in config.poolings for tau in config.taus for layer in chosen
    )


def parse_layers(text: str) -> Layers:
    """Layers from `all`, `last` or a list such as `1,8,last`; none stands for all.

    Raises:
        ArgumentError: it is none of these.
    """
    if not isinstance(text, str):
        raise ArgumentTypeError("layers", f"expected text such as 1,8,last, found {spell(text)}")
    if text.strip() == "all":
        return ()
    words = [word.strip() for word in text.split(",", LAYERS.most)]
    if wrong := [word for word in words if word != "last" and not _NUMBER.fullmatch(word)]:
        found = "" if text.strip() == wrong[0] else f" with {spell(wrong[0])}"
        raise ArgumentError(
            "layers", f"expected `all`, `last` or a list such as `1,8,last`, found {spell(text)}{found}"
        )
    return tuple("last" if word == "last" else int(word) for word in words)


def select_layers(manifest: Manifest, layers: Layers) -> tuple[int, ...]:
    """The layers of a run that were chosen.

    Raises:
        PidError: the run lacks one.
    """
    recorded = manifest.layers
    if not layers:
        return recorded
    chosen = {recorded[-1] if layer == "last" else layer for layer in layers}
    if missing := sorted(chosen - set(recorded)):
        held = ", ".join(map(str, recorded[:SHOWN])) + (f", … {recorded[-1]}" if len(recorded) > SHOWN else "")
        raise PidError(f"run `{manifest.run}` has no layer `{missing[0]}`; it has {held}")
    return tuple(sorted(chosen))


def problem_id(outline: RunOutline, key: ProblemKey, config: EstimatorConfig) -> str:
    """Sixteen hexadecimal digits: hash of the run's name, its arrays, the layer and every setting of the estimate."""
    content = hashlib.sha256()
    for name in ("sample_id", "group_id", "num_options", "loglik", *(feature_key(s, key.pooling) for s in (1, 2))):
        content.update(outline.checksums.get(name, "").encode())
    identity = {"run": outline.manifest.run, "layer": key.layer, "content": content.hexdigest()}
    return recipe_hash(identity | dict(config.for_single(key.tau, key.pooling)))


def _layout(outline: RunOutline, config: EstimatorConfig) -> Layout:
    n = len(outline)
    if config.split == "group":
        groups = outline.read("group_id")
        splits = [split_rows(groups, n, seed, config.train_share) for seed in sorted(set(split_seeds(config)))]
        sizes = [(len(train), len(test)) for train, test in splits]
    else:
        train = int(config.train_share * n)
        sizes = [(train, n - train)]
    check_enough(f"run `{outline.manifest.run}`", n, sizes, config)
    return make_layout(sizes, config.batch_size, config.drop_incomplete)


def check_enough(what: str, num_rows: int, sizes: Sequence[tuple[int, int]], config: EstimatorConfig) -> None:
    """Check that every seed has enough training and test rows.

    Raises:
        PidError: they are not.
    """
    num_train, num_test = (min(part) for part in zip(*sizes, strict=True))
    largest_test = max(test for _, test in sizes)  # all seeds have as many test batches as the largest test part
    least_test = least_test_rows(largest_test, config.batch_size, config.drop_incomplete)
    if num_train >= config.batch_size and num_test >= least_test:
        return
    needed = describe_rows_needed(config.batch_size, config.train_share, config.drop_incomplete)
    raise PidError(
        f"{what}: {num_rows} rows ({num_train} for training, {num_test} for testing) are too few; {needed}. "
        "Extract more items; a smaller batch size would be another estimator, with other numbers"
    )
