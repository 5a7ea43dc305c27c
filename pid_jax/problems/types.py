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
    """p(y|x1), p(y|x2), p(y|x1,x2): axes (row n, option k); 0 for missing options."""

    p_y_x1: Float[Held, "n k"]
    p_y_x2: Float[Held, "n k"]
    p_y_x1x2: Float[Held, "n k"]


class Tables(NamedTuple):
    """Data shared by all fits of one compiled program.

    Attributes:
        x1: pooled features of source 1: the rows of one run and pooling after those of another.
        x2: the same for source 2.
        conditionals: the rows of one run, layer and tau after those of another.
        train_rows: rows of each training step, one slice per run and seed.
        test_rows: rows of each test batch, one slice per run and seed.
        test_mask: False where a test batch is padded.
    """

    x1: Float[Held, "f d1"]
    x2: Float[Held, "f d2"]
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
        features: first of its rows in `x1` and `x2`.
        conditionals: first of its rows in the conditionals.
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
    """Sizes of a run's problems; those of equal shape are fitted together."""

    d1: int
    d2: int
    options: int
    steps: int
    batch: int
    test_batches: int


@dataclass(frozen=True)
class Refusal:
    """An unusable run, the reason, its manifest if readable, and the requested problems."""

    folder: Path
    reason: str
    manifest: Manifest | None = None
    keys: tuple[ProblemKey, ...] = ()
