"""Makes torchvision importable alongside a CPU build of torch. Import this module before anything from transformers.

The torchvision wheel for a CPU torch may contain compiled code for CUDA only. That code then cannot be loaded, and
the import stops at the first operator whose schema is missing. The transforms that image processors need are plain
torch, so it is enough to declare those operators. Nothing is declared if torchvision imports by itself.
"""

import re
from importlib import import_module
from importlib.util import find_spec
from typing import Final

from torch.library import Library

SCHEMAS: Final = {
    name: f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor" for name in ("nms", "qnms")
}
"""Operators that torchvision's Python part needs on import."""

_declared: list[Library] = []
"""Keeps the library objects alive: declarations last only as long as they do."""


def ensure_torchvision() -> bool:
    """Import torchvision, declaring the operators of its compiled part; False if it is not installed."""
    if find_spec("torchvision") is None:
        return False
    for _ in range(len(SCHEMAS) + 1):
        try:
            import_module("torchvision")
        except RuntimeError as error:
            missing = re.fullmatch(r"operator torchvision::(\w+) does not exist", str(error))
            if missing is None or missing[1] not in SCHEMAS:
                raise
            library = Library("torchvision", "FRAGMENT")
            library.define(SCHEMAS[missing[1]])
            _declared.append(library)
        else:
            break
    return True


ensure_torchvision()
