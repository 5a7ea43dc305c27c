"""The estimator: many decompositions at once, in jax.

Whole runs: `estimate`. A user's own arrays: `decompose`. Below them the pieces, problem -> coupling -> terms ->
atoms (docs/python.md). Everything is imported on first use, so that `import pid_jax` does not load jax.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pid_jax.arrays import Decomposition, decompose
    from pid_jax.config import PRESETS, EstimatorConfig, make_config
    from pid_jax.coupling import Coupling, log_kernel
    from pid_jax.information import (
        Atoms,
        InformationTerms,
        atoms_from_terms,
        coupling_loss,
        information_terms,
        source_information,
    )
    from pid_jax.pieces import project
    from pid_jax.pipeline import estimate
    from pid_jax.probabilities import option_probabilities
    from pid_jax.solution import Result
    from pid_jax.units import bits_from_nats

_HOMES = {
    "pipeline": ("estimate",),
    "arrays": ("decompose", "Decomposition"),
    "config": ("EstimatorConfig", "PRESETS", "make_config"),
    "solution": ("Result",),
    "probabilities": ("option_probabilities",),
    "coupling": ("Coupling", "log_kernel"),
    "pieces": ("project",),
    "information": (
        "Atoms",
        "InformationTerms",
        "atoms_from_terms",
        "coupling_loss",
        "information_terms",
        "source_information",
    ),
    "units": ("bits_from_nats",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "PRESETS",
    "Atoms",
    "Coupling",
    "Decomposition",
    "EstimatorConfig",
    "InformationTerms",
    "Result",
    "atoms_from_terms",
    "bits_from_nats",
    "coupling_loss",
    "decompose",
    "estimate",
    "information_terms",
    "log_kernel",
    "make_config",
    "option_probabilities",
    "project",
    "source_information",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
