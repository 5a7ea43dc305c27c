"""Step one: run a vision-language model under four or more conditions and write run folders (torch, transformers).

From Python: `load_dataset` reads a dataset, `extract` runs a model on it (docs/python.md). Names are imported on first
use, so that importing the package does not load torch; `__init__.pyi` lists them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
