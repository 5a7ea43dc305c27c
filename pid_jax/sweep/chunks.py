"""BATCH problems of equal shape form a group, which is cut into chunks that fit into memory.

All chunks of a group run in one compiled program, whose tables hold the largest of them. Groups share it if their
tables are rounded up to the same sizes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax

from pid_jax.config import BATCH, FitSettings
from pid_jax.problems.types import Shape
from pid_jax.sweep.capacity import Capacity, largest, needed, power_of_two, rounded_up, table_bytes
from pid_jax.sweep.memory import FITS_SHARE, TABLES_SHARE, fit_bytes, weight_bytes
from pid_jax.sweep.protocol import Chunk, Group, Machine, ProblemRef, RunPlan
from pid_lvlm.data.command.part import WHOLE, Part

FITS_PER_CALL = 64
"""Maximum fits passed to the device at once: the amount that a kill loses, and the interval of progress reports."""

ALWAYS_DRAWN = 64 * 2**20
"""Bytes of initial weights that a call may always have, whatever the budget."""

FITS_SIDE_BY_SIDE = {"cpu": 2}
"""Maximum fits under one vmap on one device of a kind. On a CPU, more would not fit into its cache. A GPU always takes
as many as a call holds, repeating some where there are fewer: that costs less than compiling another program
(docs/performance.md)."""


class Pace(NamedTuple):
    """Fits that a call can hold, and how many of them run side by side on each device."""

    per_call: int
    side_by_side: int
    devices: int = 1


@dataclass(frozen=True)
class BatchGroup(Group):
    """Problems of one shape, in chunks; groups with equal capacity and pace can share a compiled program."""

    shape: Shape
    capacity: Capacity
    pace: Pace

    def table_bytes(self) -> int:
        """Bytes of one chunk's tables."""
        return table_bytes(self.capacity, self.shape)


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
            rows = {problem.run: len(runs[problem.run].outline) for problem in problems}
            whole = len(everything) * num_seeds
            groups.append(_cut(shape, problems, rows, num_seeds, settings, machine, whole))
    return groups


def choose_pace(fits: int, shape: Shape, settings: FitSettings, machine: Machine, whole: int | None = None) -> Pace:
    """Fits per call and side by side, limited by memory and by what is fast on this kind of device.

    The first is the second times the number of devices times a power of two, so that there are few programs.

    Args:
        fits: number of fits.
        shape: their shape.
        settings: the settings that the compiled program depends on.
        machine: the devices and their memory.
        whole: number of fits of this shape in the whole estimate, by default `fits`. A fit's last digits depend on how
            many are side by side, so a resumed estimate keeps that number.
    """
    fitting = max(int(FITS_SHARE * machine.budget) // fit_bytes(shape, settings), 1)
    if fast := FITS_SIDE_BY_SIDE.get(machine.backend):
        fast = min(fast, power_of_two(-(-(whole or fits) // machine.devices)))
    side_by_side = min(fast or max(FITS_PER_CALL // machine.devices, 1), fitting)
    width = side_by_side * machine.devices
    drawn = max(int(FITS_SHARE * machine.budget), ALWAYS_DRAWN) // weight_bytes(shape, settings)
    most = max(min(FITS_PER_CALL, drawn) // width, 1)
    return Pace(min(power_of_two(-(-fits // width)), most) * width, side_by_side, machine.devices)


def _cut(
    shape: Shape,
    problems: list[ProblemRef],
    rows: Mapping[int, int],
    num_seeds: int,
    settings: FitSettings,
    machine: Machine,
    whole: int,
) -> BatchGroup:
    pace = choose_pace(len(problems) * num_seeds, shape, settings, machine, whole)
    most = max(pace.per_call // num_seeds, 1)
    most = -(-len(problems) // -(-len(problems) // most))  # equal chunks, or the last would be nearly empty
    budget = int(TABLES_SHARE * machine.budget)

    def measured(chosen: Sequence[ProblemRef]) -> Capacity:
        return needed(chosen, rows, shape, num_seeds)

    chunks = list(_chunks(problems, most, lambda chosen: table_bytes(measured(chosen), shape) <= budget))
    return BatchGroup(
        BATCH,
        tuple(map(Chunk, chunks)),
        shape,
        rounded_up(largest([measured(chunk) for chunk in chunks]), shape, budget),
        choose_pace(max(map(len, chunks)) * num_seeds, shape, settings, machine, whole),
    )


def _chunks(
    problems: Sequence[ProblemRef], most: int, fits: Callable[[Sequence[ProblemRef]], bool]
) -> Iterator[tuple[ProblemRef, ...]]:
    """Problems in order, in as few chunks as `most` and `fits` allow; one problem always fits."""
    chunk: list[ProblemRef] = []
    for problem in problems:
        if chunk and (len(chunk) == most or not fits([*chunk, problem])):
            yield tuple(chunk)
            chunk = []
        chunk.append(problem)
    yield tuple(chunk)


def this_machine(devices: int, budget: int) -> Machine:
    """The first devices of this process; CPU devices share the host's memory."""
    backend = jax.default_backend()
    return Machine(backend, devices, budget // devices if backend == "cpu" else budget)
