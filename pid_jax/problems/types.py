"""Problems and how they share data: features once per run, conditionals once per layer and tau, batches per seed.

A fit is described by pointers into the tables. That keeps a layer sweep's features in memory once, whatever the
number of layers, taus and seeds.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from jaxtyping import Bool, Float, Int, Key

from pid_jax.config import BATCH
from pid_lvlm.data import Manifest
from pid_lvlm.data.names import NOISE

Held: TypeAlias = Any
"""A numpy array while a table is on the host, a jax array once it is on its devices."""


class Conditionals(NamedTuple):
    """p(y|x1), p(y|x2), p(y|x1,x2): axes (row n, option k), in tables one slice per problem; 0 for missing options."""

    p_y_x1: Float[Held, "*r n k"]
    p_y_x2: Float[Held, "*r n k"]
    p_y_x1x2: Float[Held, "*r n k"]


class Tables(NamedTuple):
    """What all fits of one compiled program share.

    Attributes:
        x1: pooled features of source 1, one slice per run and pooling; padded rows are never pointed at.
        x2: the same for source 2.
        conditionals: one slice per run, layer and tau.
        train_rows: rows of each training step, one slice per run and seed.
        test_rows: rows of each test batch, one slice per run and seed.
        test_mask: False where a test batch is padded.
    """

    x1: Float[Held, "f n d1"]
    x2: Float[Held, "f n d2"]
    conditionals: Conditionals
    train_rows: Int[Held, "u s b"]
    test_rows: Int[Held, "u t c"]
    test_mask: Bool[Held, "u t c"]

    @property
    def widths(self) -> tuple[int, int]:
        """Numbers per row of the features of source 1 and source 2."""
        return self.x1.shape[-1], self.x2.shape[-1]


class FitSpec(NamedTuple):
    """One fit, as pointers into the tables. All fields carry the fit axis when fits are stacked.

    Attributes:
        features: which slice of `x1`, `x2`.
        conditionals: which slice of the conditionals.
        draw: which slice of the row tables.
        p_y: P(Y), the mean of p(y|x1,x2) over the training rows (paper, eq. 6).
        key: random key of the initial weights.
    """

    features: Int[Held, "*p"]
    conditionals: Int[Held, "*p"]
    draw: Int[Held, "*p"]
    p_y: Float[Held, "*p k"]
    key: Key[Held, "*p"]


class ProblemKey(NamedTuple):
    """One row of the result table: which layer of the run, under which tau and pooling, and by which estimator.

    An estimator that does not use the features has no `pooling`. `ablation` is what stood in for a source.
    """

    layer: int
    tau: float
    pooling: str
    estimator: str = BATCH
    ablation: str = NOISE

    @property
    def rows(self) -> "RowsKey":
        """Which conditionals it needs."""
        return RowsKey(self.layer, self.tau, self.ablation)


class RowsKey(NamedTuple):
    """Conditionals that problems of one run share: those of a layer under a tau and an ablation."""

    layer: int
    tau: float
    ablation: str = NOISE


class Shape(NamedTuple):
    """What a compiled program is keyed on: runs of equal shape share one."""

    d1: int
    d2: int
    options: int
    steps: int
    batch: int
    test_batches: int
    test_width: int


@dataclass(frozen=True)
class Refusal:
    """A run that cannot be used, why, its manifest where that could be read, and the problems asked for."""

    folder: Path
    reason: str
    manifest: Manifest | None = None
    keys: tuple[ProblemKey, ...] = ()
