"""Problems of the accuracy study: closed forms and the demo world with known atoms, and random rows with bounds."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.inputs.random_rows import KINDS, draw_rows
from pid_lvlm.data.world import TASKS, broja_atoms, get_task

ITEMS: Final = 1024
"""Number of rows for BATCH, drawn evenly from the weighted rows: enough for a full test batch of the preset `paper`."""

OPTIONS: Final = 4
"""Options of closed forms; options that never occur change nothing, and only one shape is compiled."""


@dataclass(frozen=True)
class StudyProblem:
    """Rows with weights, and the atoms if they are known.

    Attributes:
        part: `closed form`, `demo world` or `random`.
        name: name of the closed form, the task or the kind of random rows.
        sources: p(y|x1) and p(y|x2) for each pair, (pairs, k).
        pairs: p(y|x1,x2), (pairs, k).
        weights: weights of the pairs; they sum to 1.
        rows: rows per source before equal ones are merged.
        atoms: redundancy, unique 1, unique 2, synergy in bits; None for random rows.
    """

    part: str
    name: str
    sources: tuple[NDArray, NDArray]
    pairs: NDArray
    weights: NDArray
    rows: int
    atoms: tuple[float, float, float, float] | None

    @property
    def options(self) -> int:
        """K."""
        return self.pairs.shape[1]

    @property
    def masses(self) -> tuple[NDArray, NDArray]:
        """p(x1, y) and p(x2, y) of the distinct rows."""
        first, second = (_merged(p, self.weights) for p in self.sources)
        return first, second

    def items(self) -> tuple[NDArray, NDArray, NDArray]:
        """The three conditionals of `ITEMS` equally likely rows, in a shuffled order."""
        ends = np.cumsum(self.weights)
        chosen = np.searchsorted(ends / ends[-1], (np.arange(ITEMS) + 0.5) / ITEMS)
        chosen = np.random.default_rng(0).permutation(chosen)
        return self.sources[0][chosen], self.sources[1][chosen], self.pairs[chosen]


def known_problems() -> Iterator[StudyProblem]:
    """Closed forms, then the tasks of the demo world."""
    for name, (table, atoms) in CLOSED_FORMS.items():
        yield _of_table("closed form", name, table, atoms)
    for name in TASKS:
        joint = get_task(name).joint
        found = broja_atoms(joint)
        atoms = (found.redundancy, found.unique_vision, found.unique_language, found.synergy)
        yield _of_table("demo world", name, joint, atoms)


def random_problem(kind: str, rows: int, options: int, seed: int) -> StudyProblem:
    """Random rows, equally likely."""
    drawn = draw_rows(KINDS[kind], rows, options, seed)
    weights = np.full(rows, 1 / rows)
    return StudyProblem("random", kind, (drawn.p_y_x1, drawn.p_y_x2), drawn.p_y_x1x2, weights, rows, None)


def _of_table(part: str, name: str, table: NDArray, atoms: tuple[float, float, float, float]) -> StudyProblem:
    sources = [table.sum(axis) / table.sum((axis, 2))[:, None] for axis in (1, 0)]
    first, second = np.nonzero(table.sum(2))
    weights = table.sum(2)[first, second]
    pairs = table[first, second] / weights[:, None]
    return StudyProblem(
        part, name, (sources[0][first], sources[1][second]), pairs, weights, max(table.shape[:2]), atoms
    )


def _merged(p: NDArray, weights: NDArray) -> NDArray:
    _, place = np.unique(np.round(p, 12), axis=0, return_inverse=True)
    masses = np.zeros((place.max() + 1, p.shape[1]))
    np.add.at(masses, place.ravel(), weights[:, None] * p)
    return masses


def _gate(first: int, second: int, label: Callable[[int, int], int], known: Callable[[int, int], bool]) -> NDArray:
    """p(x1, x2, y) with all occurring pairs equally likely."""
    table = np.zeros((first, second, OPTIONS))
    for a, b in itertools.product(range(first), range(second)):
        if known(a, b):
            table[a, b, label(a, b)] = 1
    return table / table.sum()


def _always(a: int, b: int) -> bool:
    return True


def _same_high_bit(a: int, b: int) -> bool:
    return a // 2 == b // 2


AND_REDUNDANCY: Final = 0.75 * np.log2(4 / 3)

CLOSED_FORMS: Final[Mapping[str, tuple[NDArray, tuple[float, float, float, float]]]] = {
    "xor": (_gate(2, 2, lambda a, b: a ^ b, _always), (0.0, 0.0, 0.0, 1.0)),
    "and": (_gate(2, 2, lambda a, b: a & b, _always), (AND_REDUNDANCY, 0.0, 0.0, 0.5)),
    "copy": (_gate(2, 2, lambda a, b: 2 * a + b, _always), (0.0, 1.0, 1.0, 0.0)),
    "rdn": (_gate(2, 2, lambda a, b: a, lambda a, b: a == b), (1.0, 0.0, 0.0, 0.0)),
    "unq": (_gate(2, 2, lambda a, b: a, _always), (0.0, 1.0, 0.0, 0.0)),
    # Two independent parts, each one bit of the label: the atoms add up (Bertschinger et al., 2014).
    "rdn and xor": (_gate(4, 4, lambda a, b: 2 * (a // 2) + (a ^ b) % 2, _same_high_bit), (1.0, 0.0, 0.0, 1.0)),
    "unq and xor": (_gate(4, 2, lambda a, b: 2 * (a // 2) + (a % 2 ^ b), _always), (0.0, 1.0, 0.0, 1.0)),
    "rdn and unq": (_gate(4, 2, lambda a, b: a, lambda a, b: a // 2 == b), (1.0, 1.0, 0.0, 0.0)),
}
"""Table p(x1, x2, y) and its atoms in bits: redundancy, unique 1, unique 2, synergy."""
