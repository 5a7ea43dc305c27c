"""Host arrays to the inputs of a compiled program: tables and fits that point into them."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
from jaxtyping import Float, Shaped

from pid_jax.problems.build import Draw, Workload
from pid_jax.problems.types import Conditionals, FitSpec, ProblemKey, Shape, Tables
from pid_jax.sweep.chunks import Capacity

Name = TypeVar("Name", bound=Hashable)


class Owner(NamedTuple):
    """Owner of a fit: the indices of its problem and of its seed in the settings."""

    problem: int
    seed: int


class Stack(NamedTuple):
    """Tables and stacked fits; the first fits belong to `owners`, in order, the others are padding."""

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
        capacity: sizes to pad to; by default what the problems need. Shorter runs are padded with rows and missing
            slices with zeros that no fit points at; missing fits repeat the last one.
    """
    runs = _places(w for w, _ in problems)
    features = _places((w, key.pooling) for w, key in problems)
    layers = _places((w, key.rows) for w, key in problems)
    draws = {(w, seed): draw for w in runs for seed, draw in zip(seeds, workloads[w].draws, strict=True)}
    owners = tuple(
        Owner(q, s) for w in runs for s in range(len(seeds)) for q, (run, _) in enumerate(problems) if run == w
    )
    room = capacity or Capacity(
        rows=max(len(workloads[w].features[pooling][0]) for w, pooling in features),
        features=len(features),
        conditionals=len(layers),
        draws=len(draws),
        fits=len(owners),
    )
    x1, x2 = (
        _stack([workloads[w].features[p][side] for w, p in features], room.features, room.rows) for side in (0, 1)
    )
    conditionals = (
        _stack([workloads[w].rows[at].conditionals[part] for w, at in layers], room.conditionals, room.rows)
        for part in range(len(Conditionals._fields))
    )
    tables = Tables(x1, x2, Conditionals(*conditionals), *_row_tables(list(draws.values()), room.draws))
    padded = [*owners, *[owners[-1]] * (room.fits - len(owners))]
    place_of_draw = _places(draws)
    named = [(*problems[owner.problem], owner.seed) for owner in padded]
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

    answers = held(np.float32, capacity.conditionals, capacity.rows, shape.options)
    test = (capacity.draws, shape.test_batches, shape.test_width)
    tables = Tables(
        x1=held(np.float32, capacity.features, capacity.rows, shape.d1),
        x2=held(np.float32, capacity.features, capacity.rows, shape.d2),
        conditionals=Conditionals(answers, answers, answers),
        train_rows=held(np.int32, capacity.draws, shape.steps, shape.batch),
        test_rows=held(np.int32, *test),
        test_mask=held(np.bool_, *test),
    )
    number, key = held(np.int32, fits), jax.eval_shape(jax.random.key, 0)
    return tables, FitSpec(number, number, number, held(np.float32, fits, shape.options), held(key.dtype, fits))


def _places(names: Iterable[Name]) -> dict[Name, int]:
    return {name: place for place, name in enumerate(dict.fromkeys(names))}


def _row_tables(draws: list[Draw], slices: int) -> tuple[Any, Any, Any]:
    train = [draw.train_rows.astype(np.int32) for draw in draws]
    test = [draw.test.rows.astype(np.int32) for draw in draws]
    return _stack(train, slices), _stack(test, slices), _stack([draw.test.mask for draw in draws], slices)


def _stack(
    parts: Sequence[Shaped[np.ndarray, "_ ..."]], slices: int, rows: int | None = None
) -> Shaped[np.ndarray, "{slices} _ ..."]:
    """Parts along a new first axis of length `slices`; with `rows`, each padded with zeros to that many rows.

    Stays in numpy on the host until the chunk is moved to its devices.
    """
    length = parts[0].shape[0] if rows is None else rows
    stacked = np.zeros((slices, length, *parts[0].shape[1:]), parts[0].dtype)
    for place, part in enumerate(parts):
        stacked[place, : len(part)] = part
    return stacked


def _class_prior(workload: Workload, key: ProblemKey, seed: int) -> Float[np.ndarray, " k"]:
    """P(Y): mean of p(y|x1,x2) over the training rows, also used for the test rows (paper, eq. 6)."""
    rows = workload.draws[seed].split_train
    return workload.rows[key.rows].p_y_x1x2[rows].mean(axis=0, dtype=np.float64)
