"""Many problems at once: one compiled program per group of equal shape, whose lanes run side by side."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float

from pid_jax.config import EstimatorConfig
from pid_jax.fit import FitSettings, fit
from pid_jax.grouping import Group
from pid_jax.information import InformationTerms
from pid_jax.problem import Lane, Tables
from pid_jax.solution import Solution
from pid_jax.workload import Workload

Tree = TypeVar("Tree", bound=Any)

LANES_PER_CALL = 64
"""Lanes handed to the device at once: bounds memory, and is how often progress is reported."""

LANES_SIDE_BY_SIDE = {"cpu": 4}
"""Lanes under one vmap. On a CPU more of them fall out of the cache (docs/performance.md)."""


class LaneSummary(NamedTuple):
    """What leaves the device for every lane: terms averaged over test rows, loss trace, marginal error."""

    terms: InformationTerms
    loss: Float[Array, "*p s"]
    error: Float[Array, "*p"]


def fit_settings(config: EstimatorConfig) -> FitSettings:
    """The part of the settings that the compiled program depends on."""
    return FitSettings(
        config.learning_rate,
        config.hidden,
        config.hidden_layers,
        config.embedding,
        config.sinkhorn_threshold,
        config.sinkhorn_sweeps,
    )


def summarise(lane: Lane, tables: Tables, settings: FitSettings) -> LaneSummary:
    """Fit one lane and keep what the result table needs."""
    result = fit(lane, tables, settings)
    weight = result.test_weight / result.test_weight.sum()
    terms = InformationTerms(*((term * weight).sum() for term in result.test_terms))
    return LaneSummary(terms, result.train_loss, result.test_error.max())


@partial(jax.jit, static_argnames=("settings", "side_by_side", "devices"))
def fit_lanes(lanes: Lane, tables: Tables, settings: FitSettings, side_by_side: int, devices: int = 1) -> LaneSummary:
    """Fit stacked lanes, one program for all of them.

    Args:
        lanes: stacked lanes; a multiple of `devices` of them.
        tables: shared data.
        settings: learning rate, network sizes, Sinkhorn.
        side_by_side: lanes under one vmap on one device; these batches run one after another.
        devices: local devices that share the lanes. Each runs its own loops (`shard_map`): left to the compiler, the
            devices would agree on every sweep of every Sinkhorn, which takes more than twice the time.
    """

    def fit_share(share: Lane, data: Tables) -> LaneSummary:
        return jax.lax.map(lambda lane: summarise(lane, data, settings), share, batch_size=side_by_side)

    if devices == 1:
        return fit_share(lanes, tables)
    mesh = Mesh(np.asarray(jax.local_devices()[:devices]), ("lanes",))
    split, whole = PartitionSpec("lanes"), PartitionSpec()
    # check_vma: ott-jax's loops start from constants, which the check would want marked as varying over devices.
    return jax.shard_map(fit_share, mesh=mesh, in_specs=(split, whole), out_specs=split, check_vma=False)(lanes, tables)


def call_size(lanes: int, backend: str) -> tuple[int, int]:
    """Lanes per call and lanes under one vmap; the first is a multiple of the second.

    A remainder would be compiled as a second copy of the whole program.
    """
    side_by_side = min(LANES_SIDE_BY_SIDE.get(backend, LANES_PER_CALL), lanes)
    whole = -(-min(LANES_PER_CALL, lanes) // side_by_side) * side_by_side
    return whole, side_by_side


def solve_group(
    group: Group, config: EstimatorConfig, advance: Callable[[int], None] = lambda _: None
) -> Iterator[tuple[Workload, int, Solution]]:
    """Fit every lane of a group; yields workload, position of the problem in `workload.keys`, and its solution.

    Args:
        group: from `pid_jax.grouping.build_group`.
        config: settings.
        advance: called with the number of lanes that are done, after every call to the device.
    """
    total = len(group.owners)
    per_call, side_by_side = call_size(total, jax.default_backend())
    parts = []
    with jax.default_matmul_precision(config.matmul_precision):
        for start in range(0, total, per_call):
            # The last call repeats a lane so that all calls have one shape: one compilation per group.
            chosen = _take(group.lanes, np.minimum(np.arange(start, start + per_call), total - 1))
            parts.append(jax.device_get(fit_lanes(chosen, group.tables, fit_settings(config), side_by_side)))
            advance(min(per_call, total - start))
    summary: LaneSummary = jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
    lanes_of: dict[tuple[int, int], list[int]] = {}
    for lane, owner in enumerate(group.owners):
        lanes_of.setdefault((owner.workload, owner.problem), []).append(lane)
    for (w, q), lanes in lanes_of.items():
        terms, loss, error = _take(summary, np.array(lanes))
        yield group.workloads[w], q, Solution(terms, np.asarray(loss), np.asarray(error))


def _take(tree: Tree, index: np.ndarray) -> Tree:
    return jax.tree.map(lambda leaf: leaf[index], tree)
