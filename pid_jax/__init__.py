"""The estimator: many decompositions at once, in jax.

`estimate` and `EstimatorConfig` are imported on first use, so that `import pid_jax` does not load jax.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pid_jax.config import PRESETS, EstimatorConfig
    from pid_jax.pipeline import estimate

_HOMES = {"estimate": "pid_jax.pipeline", "EstimatorConfig": "pid_jax.config", "PRESETS": "pid_jax.config"}

__all__ = ["PRESETS", "EstimatorConfig", "estimate"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
