"""The estimator: many decompositions at once, in jax.

Whole runs: `estimate`. Your own arrays: `decompose`. Below them the pieces, problem -> coupling -> terms -> atoms
(docs/python.md). Names are imported on first use, so that `import pid_jax` does not load
jax; `__init__.pyi` lists them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
