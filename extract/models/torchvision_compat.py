"""Make torchvision importable beside a CPU build of torch. Import this module before anything of transformers.

The torchvision wheel that belongs to a CPU torch may carry compiled code for CUDA only. That code then cannot be
loaded, and the import stops at the first operator whose schema is missing. The transforms that image processors need
are plain torch, so it is enough to declare those operators. Nothing is declared where torchvision imports by itself.
"""

import re
from importlib import import_module
from importlib.util import find_spec
from typing import Final

from torch.library import Library

SCHEMAS: Final = {
    name: f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor" for name in ("nms", "qnms")
}
"""Operators that torchvision's Python part asks for when it is imported."""

_declared: list[Library] = []
"""Declarations last as long as their library object."""


def ensure_torchvision() -> bool:
    """Import torchvision, declaring what its compiled part would have; False if it is not installed."""
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
