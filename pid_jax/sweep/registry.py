"""Every estimator by its name in the result table and settings."""

from collections.abc import Mapping
from typing import Final

from pid_jax.sweep.batch import Batch
from pid_jax.sweep.exact import Exact
from pid_jax.sweep.protocol import Estimator

SOLVERS: Final[Mapping[str, Estimator]] = {solver.name: solver for solver in (Batch(), Exact())}
