"""Host arrays to the inputs of a compiled program: tables and fits that point into them."""

from collections.abc import Hashable, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
from jaxtyping import Float, Shaped

from pid_jax.problems.build import Draw, Workload
from pid_jax.problems.types import Conditionals, FitSpec, ProblemKey, Shape, Tables
from pid_jax.sweep.capacity import Capacity

Name = TypeVar("Name", bound=Hashable)


class Owner(NamedTuple):
    """Owner of a fit: the indices of its problem and of its seed in the settings."""

    problem: int
    seed: int


class Stack(NamedTuple):
    """Tables and stacked fits, with the owner of each fit."""

    tables: Tables
    specs: FitSpec
    owners: tuple[Owner, ...]


def stack_problems(
    workloads: Mapping[int, Workload],
    problems: Sequence[tuple[int, ProblemKey]],
    seeds: tuple[int, ...],
    capacity: Capacity | None = None,
) -> Stack:
    """Stack the host arrays of problems of one shape.

    Args:
        workloads: host arrays, by the number used in `problems`.
        problems: workload and key of each problem.
        seeds: the seeds of each workload's draws, in order.
        capacity: sizes of the tables, filled up with zeros that no fit points at; by default what the problems need.
    """
    runs = dict.fromkeys(w for w, _ in problems)
    features = _first_rows({(w, key.pooling): len(workloads[w].features[key.pooling][0]) for w, key in problems})
    layers = _first_rows({(w, key.rows): len(workloads[w].rows[key.rows].p_y_x1x2) for w, key in problems})
    draws = {(w, seed): draw for w in runs for seed, draw in zip(seeds, workloads[w].draws, strict=True)}
    owners = tuple(
        Owner(q, s) for w in runs for s in range(len(seeds)) for q, (run, _) in enumerate(problems) if run == w
    )
    room: Sequence[int | None] = capacity or (None,) * len(Capacity._fields)
    x1, x2 = (_joined([workloads[w].features[p][side] for w, p in features], room[0]) for side in (0, 1))
    conditionals = (
        _joined([workloads[w].rows[at].conditionals[part] for w, at in layers], room[1])
        for part in range(len(Conditionals._fields))
    )
    tables = Tables(x1, x2, Conditionals(*conditionals), *_row_tables(list(draws.values()), *room[2:]))
    place_of_draw = {name: place for place, name in enumerate(draws)}
    named = [(*problems[owner.problem], owner.seed) for owner in owners]
    specs = FitSpec(
        features=np.array([features[w, key.pooling] for w, key, _ in named], np.int32),
        conditionals=np.array([layers[w, key.rows] for w, key, _ in named], np.int32),
        draw=np.array([place_of_draw[w, seeds[s]] for w, _, s in named], np.int32),
        p_y=np.stack([_class_prior(workloads[w], key, s) for w, key, s in named]).astype(np.float32),
        key=jax.vmap(jax.random.key)(np.array([seeds[s] for _, _, s in named], np.uint32)),
    )
    return Stack(tables, specs, owners)


def stack_shapes(shape: Shape, capacity: Capacity, fits: int) -> tuple[Tables, FitSpec]:
    """Shapes and types of the output of `stack_problems`, without data.

    Args:
        shape: shape of the problems.
        capacity: capacity of a chunk.
        fits: fits per call.
    """

    def held(dtype: Any, *sizes: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(sizes, dtype)

    answers = held(np.float32, capacity.conditionals, shape.options)
    test = (capacity.draws, capacity.test_batches, shape.batch)
    tables = Tables(
        x1=held(np.float32, capacity.features, shape.d1),
        x2=held(np.float32, capacity.features, shape.d2),
        conditionals=Conditionals(answers, answers, answers),
        train_rows=held(np.int32, capacity.draws, capacity.steps, shape.batch),
        test_rows=held(np.int32, *test),
        test_mask=held(np.bool_, *test),
    )
    number, key = held(np.int32, fits), jax.eval_shape(jax.random.key, 0)
    return tables, FitSpec(number, number, number, held(np.float32, fits, shape.options), held(key.dtype, fits))


def _first_rows(lengths: Mapping[Name, int]) -> dict[Name, int]:
    """Where each part begins if they follow one another."""
    return dict(zip(lengths, accumulate(lengths.values(), initial=0), strict=False))


def _joined(parts: Sequence[Shaped[np.ndarray, "_ w"]], rows: int | None) -> Shaped[np.ndarray, "_ w"]:
    """Parts after one another, filled up with zeros. Stays in numpy on the host until it is moved to its devices."""
    joined = np.zeros((sum(map(len, parts)) if rows is None else rows, parts[0].shape[1]), parts[0].dtype)
    np.concatenate(parts, out=joined[: sum(map(len, parts))])
    return joined


def _row_tables(
    draws: Sequence[Draw], slices: int | None, steps: int | None, test_batches: int | None
) -> tuple[Any, Any, Any]:
    """Training rows, test rows and their mask, one slice per draw."""
    return (
        _stacked([draw.train_rows.astype(np.int32) for draw in draws], slices, steps),
        _stacked([draw.test.rows.astype(np.int32) for draw in draws], slices, test_batches),
        _stacked([draw.test.mask for draw in draws], slices, test_batches),
    )


def _stacked(
    parts: Sequence[Shaped[np.ndarray, "s b"]], slices: int | None, length: int | None
) -> Shaped[np.ndarray, "_ _ b"]:
    """Parts of equal shape along a new first axis, filled up with zeros (False in a mask)."""
    used = parts[0].shape[0]
    stacked = np.zeros((slices or len(parts), length or used, parts[0].shape[1]), parts[0].dtype)
    stacked[: len(parts), :used] = parts
    return stacked


def _class_prior(workload: Workload, key: ProblemKey, seed: int) -> Float[np.ndarray, " k"]:
    """P(Y): mean of p(y|x1,x2) over the training rows, also used for the test rows (paper, eq. 6)."""
    rows = workload.draws[seed].split_train
    return workload.rows[key.rows].p_y_x1x2[rows].mean(axis=0, dtype=np.float64)
