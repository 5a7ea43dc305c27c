"""BATCH problems of equal shape form a group, which is cut into chunks of equal size that fit into memory.

Equal sizes need one compiled program per group; smaller chunks are padded with slices and fits that are ignored.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax

from pid_jax.config import BATCH, FitSettings
from pid_jax.problems.types import Shape
from pid_jax.sweep.memory import (
    FITS_SHARE,
    TABLES_SHARE,
    conditional_bytes,
    draw_bytes,
    feature_bytes,
    fit_bytes,
    weight_bytes,
)
from pid_jax.sweep.protocol import Chunk, Group, Machine, ProblemRef, RunPlan
from pid_lvlm.data.command.part import WHOLE, Part

FITS_PER_CALL = 64
"""Maximum fits passed to the device at once: the amount that a kill loses, and the interval of progress reports."""

ALWAYS_DRAWN = 64 * 2**20
"""Bytes of initial weights that a call may always have, whatever the budget."""

FITS_SIDE_BY_SIDE = {"cpu": 4}
"""Fits under one vmap on one device. On a CPU, more would not fit into its cache (docs/performance.md)."""


class Capacity(NamedTuple):
    """Sizes of every chunk's tables: rows, slices of features, conditionals and draws, and fits."""

    rows: int
    features: int
    conditionals: int
    draws: int
    fits: int


class Pace(NamedTuple):
    """Fits per call, and how many of them run side by side on each device."""

    per_call: int
    side_by_side: int
    devices: int = 1


@dataclass(frozen=True)
class BatchGroup(Group):
    """Problems that share a compiled BATCH program, in chunks of equal size."""

    shape: Shape
    capacity: Capacity
    pace: Pace

    def table_bytes(self) -> int:
        """Bytes of one chunk's tables."""
        rows, features, conditionals, draws, _ = self.capacity
        return (
            features * feature_bytes(self.shape, rows)
            + conditionals * conditional_bytes(self.shape, rows)
            + draws * draw_bytes(self.shape)
        )


def group_problems(
    runs: Sequence[RunPlan],
    num_seeds: int,
    settings: FitSettings,
    machine: Machine,
    wanted: Callable[[str], bool] = lambda _: True,
    part: Part = WHOLE,
) -> list[BatchGroup]:
    """Group problems of all runs by shape, and cut every group into chunks.

    Problems of one run stay together, pooling by pooling, to keep few feature arrays per chunk.

    Args:
        runs: the runs of a plan; other estimators' runs are left out.
        num_seeds: fits per problem.
        settings: the settings that the compiled program depends on.
        machine: the devices and their memory.
        wanted: whether the problem with this id is to be fitted.
        part: take only this part of every group; parts do not depend on `wanted`.
    """
    by_shape: dict[Shape, list[ProblemRef]] = {}
    for position, run in enumerate(runs):
        if run.shape is not None:
            refs = (ProblemRef(position, key, name) for key, name in zip(run.keys, run.ids, strict=True))
            by_shape.setdefault(run.shape, []).extend(refs)
    groups = []
    for shape, everything in by_shape.items():
        if problems := [problem for problem in everything[part.share(everything)] if wanted(problem.id)]:
            rows = max(len(runs[problem.run].outline) for problem in problems)
            width = choose_pace(len(everything) * num_seeds, shape, settings, machine).side_by_side
            groups.append(_cut(shape, problems, rows, num_seeds, settings, machine, width))
    return groups


def choose_pace(
    fits: int, shape: Shape, settings: FitSettings, machine: Machine, side_by_side: int | None = None
) -> Pace:
    """Fits per call and side by side, limited by memory and by what is fast on this kind of device.

    The first is a multiple of the second times the number of devices: a remainder would need a second program.

    Args:
        fits: number of fits.
        shape: their shape.
        settings: the settings that the compiled program depends on.
        machine: the devices and their memory.
        side_by_side: the second number, if already decided: a fit's last digits depend on it, so a resumed estimate
            keeps that of the whole.
    """
    fitting = max(int(FITS_SHARE * machine.budget) // fit_bytes(shape, settings), 1)
    per_device = -(-fits // machine.devices)
    if side_by_side is None:
        side_by_side = min(FITS_SIDE_BY_SIDE.get(machine.backend, FITS_PER_CALL), fitting, per_device)
    width = side_by_side * machine.devices
    drawn = max(int(FITS_SHARE * machine.budget), ALWAYS_DRAWN) // weight_bytes(shape, settings)
    most = max(min(FITS_PER_CALL, drawn) // width, 1) * width
    return Pace(min(-(-fits // width) * width, most), side_by_side, machine.devices)


def _cut(
    shape: Shape,
    problems: list[ProblemRef],
    rows: int,
    num_seeds: int,
    settings: FitSettings,
    machine: Machine,
    side_by_side: int,
) -> BatchGroup:
    pace = choose_pace(len(problems) * num_seeds, shape, settings, machine, side_by_side)
    most_problems = max(pace.per_call // num_seeds, 1)
    parts = -(-len(problems) // most_problems)
    most_problems = -(-len(problems) // parts)  # equal chunks, or the last would be mostly padding
    left = int(TABLES_SHARE * machine.budget) - most_problems * conditional_bytes(shape, rows)
    slice_bytes = feature_bytes(shape, rows) + num_seeds * draw_bytes(shape)
    most_features = max(left // slice_bytes, 1)
    chunks: list[list[ProblemRef]] = [[]]
    for problem in problems:
        if len(chunks[-1]) == most_problems or _features([*chunks[-1], problem]) > most_features:
            chunks.append([])
        chunks[-1].append(problem)
    largest = max(map(len, chunks)) * num_seeds
    pace = choose_pace(largest, shape, settings, machine, side_by_side)
    capacity = Capacity(
        rows=rows,
        features=max(map(_features, chunks)),
        conditionals=max(len({(run, key.rows) for run, key, _ in chunk}) for chunk in chunks),
        draws=num_seeds * max(len({problem.run for problem in chunk}) for chunk in chunks),
        fits=-(-largest // pace.per_call) * pace.per_call,
    )
    return BatchGroup(BATCH, tuple(Chunk(tuple(chunk)) for chunk in chunks), shape, capacity, pace)


def _features(problems: Collection[ProblemRef]) -> int:
    return len({(run, key.pooling) for run, key, _ in problems})


def this_machine(devices: int, budget: int) -> Machine:
    """The first devices of this process; CPU devices share the host's memory."""
    backend = jax.default_backend()
    return Machine(backend, devices, budget // devices if backend == "cpu" else budget)
