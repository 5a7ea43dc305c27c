"""Workloads of equal shape become one group: shared tables and the lanes that point into them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from pid_jax.problem import Conditionals, Lane, Tables
from pid_jax.workload import Shape, Workload


class Owner(NamedTuple):
    """Whose fit a lane is, by position: workload in the group, problem in its keys, seed in its draws."""

    workload: int
    problem: int
    seed: int


@dataclass(frozen=True)
class Group:
    """Workloads of one shape; `lanes` (stacked) follow the order of `owners`."""

    shape: Shape
    workloads: tuple[Workload, ...]
    tables: Tables
    lanes: Lane
    owners: tuple[Owner, ...]


def group_by_shape(workloads: Sequence[Workload]) -> list[tuple[Workload, ...]]:
    """Workloads that can share a compiled program, in order of first appearance."""
    groups: dict[Shape, list[Workload]] = {}
    for workload in workloads:
        groups.setdefault(workload.shape, []).append(workload)
    return [tuple(members) for members in groups.values()]


def build_group(workloads: tuple[Workload, ...], seeds: tuple[int, ...]) -> Group:
    """Stack the data of workloads of one shape; shorter runs are padded with rows that nothing points at.

    Args:
        workloads: from `group_by_shape`.
        seeds: the seeds behind every workload's draws, in their order.
    """
    length = max(len(workload.run) for workload in workloads)
    features = {name: i for i, name in enumerate(_feature_slices(workloads))}
    layers = {name: i for i, name in enumerate(_layer_slices(workloads))}
    draws = [draw for workload in workloads for draw in workload.draws]
    tables = Tables(
        x1=_stack([_pad(workloads[w].run.features(1, pooling), length) for w, pooling in features]),
        x2=_stack([_pad(workloads[w].run.features(2, pooling), length) for w, pooling in features]),
        conditionals=Conditionals(
            *(
                _stack([_pad(workloads[w].rows[layer, tau].conditionals[part], length) for w, layer, tau in layers])
                for part in range(len(Conditionals._fields))
            )
        ),
        train_rows=_stack([draw.train_rows for draw in draws], jnp.int32),
        test_rows=_stack([draw.test.rows for draw in draws], jnp.int32),
        test_mask=_stack([draw.test.mask for draw in draws]),
    )
    owners = tuple(
        Owner(w, q, s)
        for w, workload in enumerate(workloads)
        for s in range(len(workload.draws))
        for q in range(len(workload.keys))
    )
    keys = [workloads[owner.workload].keys[owner.problem] for owner in owners]
    lanes = Lane(
        features=jnp.asarray([features[o.workload, key.pooling] for o, key in zip(owners, keys, strict=True)]),
        conditionals=jnp.asarray([layers[o.workload, key.layer, key.tau] for o, key in zip(owners, keys, strict=True)]),
        draw=jnp.asarray([o.workload * len(seeds) + o.seed for o in owners]),
        p_y=_stack([_class_prior(workloads[o.workload], o) for o in owners], jnp.float32),
        key=jax.vmap(jax.random.key)(jnp.asarray([seeds[o.seed] for o in owners])),
    )
    return Group(workloads[0].shape, workloads, tables, lanes, owners)


def _feature_slices(workloads: tuple[Workload, ...]) -> list[tuple[int, str]]:
    return list(dict.fromkeys((w, key.pooling) for w, load in enumerate(workloads) for key in load.keys))


def _layer_slices(workloads: tuple[Workload, ...]) -> list[tuple[int, int, float]]:
    return list(dict.fromkeys((w, key.layer, key.tau) for w, load in enumerate(workloads) for key in load.keys))


def _class_prior(workload: Workload, owner: Owner) -> NDArray:
    """P(Y): mean of p(y|x1,x2) over the training rows, also used for the test rows (paper, eq. 6)."""
    key = workload.keys[owner.problem]
    rows = workload.draws[owner.seed].split_train
    return workload.rows[key.layer, key.tau].p_y_x1x2[rows].mean(axis=0, dtype=np.float64)


def _pad(rows: NDArray, length: int) -> NDArray:
    return np.pad(rows, ((0, length - len(rows)), (0, 0)))


def _stack(parts: list[NDArray], dtype: type | None = None) -> jax.Array:
    return jnp.asarray(np.stack(parts), dtype=dtype)
