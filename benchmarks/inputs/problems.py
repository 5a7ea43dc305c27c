"""Synthetic problems for both estimators: tables and fits for ours, rows and weights for the baseline."""

import argparse
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.baselines.published import Rows
from benchmarks.inputs.regimes import PLAIN, draw
from pid_jax.config import FitSettings
from pid_jax.estimators.batch.fit import initial_params
from pid_jax.problems.splits import evaluation_batches, train_batches
from pid_jax.problems.types import Conditionals, FitSpec, Tables

BATCH = 256
TRAIN_SHARE = 0.75


class Stack(NamedTuple):
    """All problems: tables and stacked fits; the first `num_train` rows of each problem train."""

    tables: Tables
    specs: FitSpec
    num_train: int


def make_stack(given: argparse.Namespace) -> Stack:
    """Problems with their own conditionals, weights and batches; features come from `feature_sets` draws."""
    num_train = int(TRAIN_SHARE * given.rows)
    regime = replace(
        PLAIN, options=given.options, d1=given.features, d2=given.features, train=num_train, test=given.rows - num_train
    )
    sets = min(given.feature_sets or given.problems, given.problems)
    featureless = replace(regime, d1=1, d2=1)  # the same conditionals, since these are drawn first

    def whole(problem: int) -> Rows:
        return _whole(*draw(regime if problem < sets else featureless, given.seed + problem))

    with ThreadPoolExecutor() as pool:
        problems = list(pool.map(whole, range(given.problems)))
    seeds = given.seed + np.arange(given.problems)
    test = evaluation_batches(np.arange(num_train, given.rows), BATCH, drop_incomplete=True)
    names = ("p_y_x1", "p_y_x2", "p_y_x1x2")
    tables = Tables(
        x1=_joined([rows.x1 for rows in problems[:sets]]),
        x2=_joined([rows.x2 for rows in problems[:sets]]),
        conditionals=Conditionals(*(_joined([getattr(rows, name) for rows in problems]) for name in names)),
        train_rows=jnp.asarray(
            np.stack([train_batches(np.arange(num_train), s, given.epochs, BATCH) for s in seeds]), jnp.int32
        ),
        test_rows=jnp.asarray(np.tile(test.rows, (given.problems, 1, 1)), jnp.int32),
        test_mask=jnp.asarray(np.tile(test.mask, (given.problems, 1, 1))),
    )
    every = jnp.arange(given.problems)
    p_y = jnp.stack([jnp.asarray(rows.p_y_x1x2[:num_train].numpy()).mean(axis=0) for rows in problems])
    keys = jax.vmap(jax.random.key)(jnp.asarray(seeds))
    return Stack(tables, FitSpec(every % sets * given.rows, every * given.rows, every, p_y, keys), num_train)


def baseline_rows(stack: Stack, problem: int) -> tuple[Rows, Rows]:
    """Training and test rows of one problem."""
    tables, rows = stack.tables, len(stack.tables.conditionals.p_y_x1) // len(stack.specs.draw)
    features, own = (slice(int(first[problem]), int(first[problem]) + rows) for first in stack.specs[:2])
    parts = (tables.x1[features], tables.x2[features], *(p[own] for p in tables.conditionals))
    whole = Rows(*(torch.from_numpy(np.array(part)) for part in parts))
    return whole.take(slice(0, stack.num_train)), whole.take(slice(stack.num_train, None))


def torch_weights(stack: Stack, problem: int) -> dict[str, NDArray]:
    """The initial weights of our fit of one problem, named as in a golden file."""
    spec = jax.tree.map(lambda leaf: leaf[problem], stack.specs)
    networks = initial_params(spec.key, stack.tables.widths, spec.p_y.shape[-1], FitSettings())
    return {
        f"init/mlp{number}/{layer.removeprefix('Dense_')}/{part}": np.asarray(value)
        for number, network in enumerate(networks, start=1)
        for layer, parts in network["params"].items()
        for part, value in parts.items()
    }


def _whole(train: Rows, test: Rows) -> Rows:
    return Rows(*(torch.cat(parts) for parts in zip(vars(train).values(), vars(test).values(), strict=True)))


def _joined(parts: list[torch.Tensor]) -> jax.Array:
    return jnp.asarray(np.concatenate([part.numpy() for part in parts]))
