"""The contract between the steps: names, schemas, reader and writer. Needs numpy only.

Names are imported on first use, so that a command's `--help` does not load numpy; `__init__.pyi` lists them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
