"""Every estimator by the name that the result table and the settings give it."""

from collections.abc import Mapping
from typing import Final

from pid_jax.sweep.batch import Batch
from pid_jax.sweep.exact import Exact
from pid_jax.sweep.protocol import Estimator

SOLVERS: Final[Mapping[str, Estimator]] = {solver.name: solver for solver in (Batch(), Exact())}
