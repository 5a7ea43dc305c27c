"""Sizes and names of the demo's models; imports nothing heavy."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class ModelSize:
    """Shape of a model: vision tower and language model.

    Attributes:
        hidden: Width of the language model.
        layers: Layers of the language model.
        heads: Attention heads of the language model.
        intermediate: Width of the language model's feed-forward part.
        vision_hidden: Width of the vision tower.
        vision_layers: Layers of the vision tower.
        vision_heads: Attention heads of the vision tower.
        image_size: Pixels per side of a picture.
        patch_size: Pixels per side of a patch.
        init_std: Standard deviation of the initial weights. The usual 0.02 fails to learn the lookup at this size.
    """

    hidden: int
    layers: int
    heads: int
    intermediate: int
    vision_hidden: int
    vision_layers: int = 2
    vision_heads: int = 4
    image_size: int = 32
    patch_size: int = 8
    init_std: float = 0.1


SIZES: Final = {
    "tiny": ModelSize(hidden=64, layers=3, heads=4, intermediate=128, vision_hidden=32),
    "small": ModelSize(hidden=96, layers=3, heads=6, intermediate=160, vision_hidden=48),
}
LABELS: Final = ("llava", "qwen2-vl")
"""Families, as in the names of models."""
NAMES: Final = {f"demo-{label}-{size}": (label, size) for label in LABELS for size in SIZES}
"""Names of the models in the order of tables, with family and size."""
