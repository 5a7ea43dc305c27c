"""The interface between a sweep and an estimator, and the plain objects passed between them."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

from pid_jax.config import EstimatorConfig
from pid_jax.problems.build import Workload
from pid_jax.problems.splits import Layout
from pid_jax.problems.types import ProblemKey, Shape
from pid_jax.results.solution import Solved
from pid_lvlm.data import RunOutline
from pid_lvlm.data.command.part import Part


@dataclass(frozen=True)
class RunPlan:
    """The problems of one run under one estimator, without its arrays.

    Attributes:
        outline: the run folder.
        estimator: name of the estimator.
        keys: its problems, one row of the result table each.
        ids: their names in the table, in the same order.
        layout: shape of its batches; None for an estimator without batches.
        shape: sizes of its problems; None for an estimator that chooses shapes itself.
    """

    outline: RunOutline
    estimator: str
    keys: tuple[ProblemKey, ...]
    ids: tuple[str, ...]
    layout: Layout | None = None
    shape: Shape | None = None


class ProblemRef(NamedTuple):
    """One problem: its run (position in the plan), its key and its name in the table."""

    run: int
    key: ProblemKey
    id: str


@dataclass(frozen=True)
class Chunk:
    """Problems that are read, fitted and saved together."""

    problems: tuple[ProblemRef, ...]

    @property
    def runs(self) -> tuple[int, ...]:
        """Runs of the problems, in order."""
        return tuple(dict.fromkeys(problem.run for problem in self.problems))


@dataclass(frozen=True)
class Group:
    """Problems of one estimator that are solved in the same way, in chunks."""

    estimator: str
    chunks: tuple[Chunk, ...]

    @property
    def num_problems(self) -> int:
        """Problems of all chunks."""
        return sum(len(chunk.problems) for chunk in self.chunks)


class Program(NamedTuple):
    """A program that a group needs.

    Attributes:
        key: programs with equal keys are identical.
        compile: compiles the program; called in a thread.
    """

    key: Hashable
    compile: Callable[[], object]


@dataclass(frozen=True)
class Machine:
    """The devices that run the fits: kind, number, and bytes available on each."""

    backend: str
    devices: int
    budget: int


@dataclass(frozen=True)
class Share:
    """Which problems this process fits: the `wanted` ones (by id) in its `part` of every group."""

    wanted: Callable[[str], bool]
    part: Part


@runtime_checkable
class Running(Protocol):
    """Fits that may still be running on the devices."""

    def collect(self, advance: Callable[[int], None]) -> Sequence[Solved]:
        """Wait for them; solutions in the order of the problems. `advance` is called with the number of fits done."""


@runtime_checkable
class Estimator(Protocol):
    """How the problems of a sweep are solved: one object per estimator, in `pid_jax.sweep.registry`."""

    name: str

    def keys(self, layers: Sequence[int], config: EstimatorConfig) -> tuple[ProblemKey, ...]:
        """The problems of a run with these layers, one row of the result table each."""

    def shapes(self, outline: RunOutline, config: EstimatorConfig) -> tuple[Layout | None, Shape | None]:
        """Batches and shape of a run's problems.

        Raises:
            PidError: the run cannot be used: too few rows, or not enough memory.
        """

    def fits(self, config: EstimatorConfig) -> int:
        """Fits per problem, for the progress display."""

    def group(
        self, runs: Sequence[RunPlan], config: EstimatorConfig, machine: Machine, share: Share
    ) -> Sequence[Group]:
        """Cut this process's problems of this estimator into groups and chunks that fit into memory."""

    def describe(self, group: Any, config: EstimatorConfig) -> str:
        """One line about a group, for people who want to know what is compiled."""

    def programs(self, group: Any, config: EstimatorConfig) -> Sequence[Program]:
        """The compiled programs that a group needs, as far as known from its shapes; compiled before `start`."""

    def start(
        self, workloads: Mapping[int, Workload], problems: Sequence[ProblemRef], group: Any, config: EstimatorConfig
    ) -> Running:
        """Start solving the problems of a chunk."""
