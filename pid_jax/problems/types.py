"""Problems and the data they share: features per run, conditionals per layer and tau, batches per seed.

A fit is described by pointers into the tables. So a layer sweep's features are in memory only once, whatever the number
of layers, taus and seeds.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from jaxtyping import Bool, Float, Int, Key

from pid_jax.config import BATCH
from pid_lvlm.data import Manifest
from pid_lvlm.data.names import NOISE

Held: TypeAlias = Any
"""A numpy array while a table is on the host, a jax array on its devices."""


class Conditionals(NamedTuple):
    """p(y|x1), p(y|x2), p(y|x1,x2): axes (row n, option k), in tables one slice per problem; 0 for missing options."""

    p_y_x1: Float[Held, "*r n k"]
    p_y_x2: Float[Held, "*r n k"]
    p_y_x1x2: Float[Held, "*r n k"]


class Tables(NamedTuple):
    """Data shared by all fits of one compiled program.

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
        """Feature widths of source 1 and source 2."""
        return self.x1.shape[-1], self.x2.shape[-1]


class FitSpec(NamedTuple):
    """One fit, as pointers into the tables. All fields carry the fit axis when fits are stacked.

    Attributes:
        features: index of the slice of `x1` and `x2`.
        conditionals: index of the slice of the conditionals.
        draw: index of the slice of the row tables.
        p_y: P(Y), the mean of p(y|x1,x2) over the training rows (paper, eq. 6).
        key: random key for the initial weights.
    """

    features: Int[Held, "*p"]
    conditionals: Int[Held, "*p"]
    draw: Int[Held, "*p"]
    p_y: Float[Held, "*p k"]
    key: Key[Held, "*p"]


class ProblemKey(NamedTuple):
    """One row of the result table: layer of the run, tau, pooling and estimator.

    An estimator that does not use features has no `pooling`. `ablation` is what replaced a source.
    """

    layer: int
    tau: float
    pooling: str
    estimator: str = BATCH
    ablation: str = NOISE

    @property
    def rows(self) -> "RowsKey":
        """The conditionals it needs."""
        return RowsKey(self.layer, self.tau, self.ablation)


class RowsKey(NamedTuple):
    """Conditionals shared by problems of one run, for a layer, tau and ablation."""

    layer: int
    tau: float
    ablation: str = NOISE


class Shape(NamedTuple):
    """The key of a compiled program: runs of equal shape share one."""

    d1: int
    d2: int
    options: int
    steps: int
    batch: int
    test_batches: int
    test_width: int


@dataclass(frozen=True)
class Refusal:
    """An unusable run, the reason, its manifest if readable, and the requested problems."""

    folder: Path
    reason: str
    manifest: Manifest | None = None
    keys: tuple[ProblemKey, ...] = ()
