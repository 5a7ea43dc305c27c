"""The estimator: many decompositions at once, in jax.

Whole runs: `estimate`. Your own arrays: `decompose`. Below them the pieces, problem -> coupling -> terms -> atoms
(docs/python.md). Names are imported on first use: `import pid_jax` does not load jax. `__init__.pyi` lists them.
"""

import lazy_loader

_lazy, _names, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    """A public name, imported on first use, or the version."""
    if name == "__version__":
        import pid_lvlm

        return pid_lvlm.__version__
    return _lazy(name)


def __dir__() -> list[str]:
    """Public names."""
    return [*_names(), "__version__"]
