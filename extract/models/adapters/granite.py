"""Granite 4 Vision: picture features are added before several decoder blocks."""

from typing import Any, ClassVar

from torch import Tensor

from pid_lvlm.data.names import SOURCES
from pid_lvlm.extract.conditions.sites import EmbeddingSite, VisualRowsSite
from pid_lvlm.extract.models.adapters.base import PIXELS, Adapter


class Granite4VisionAdapter(Adapter):
    """`Granite4VisionForConditionalGeneration`: visual positions hold zeros, and features are added before blocks.

    Features are pooled at the first block that gets any.
    """

    family: ClassVar[str] = "granite4_vision"
    needed: ClassVar[tuple[str, ...]] = (PIXELS, "image_sizes")

    def __init__(self, model: Any, processor: Any) -> None:
        super().__init__(model, processor)
        config = model.config
        blocks = {block for _, block in config.deepstack_layer_map} | set(config.spatial_target_layers)
        self.sites = (*(_added_before(block) for block in sorted(blocks)), EmbeddingSite(SOURCES[1]))

    def cap(self, logits: Tensor) -> Tensor:
        """Logits are divided by a constant."""
        return logits / self.model.config.text_config.logits_scaling


def _added_before(block: int) -> VisualRowsSite:
    where = f"visual features added before decoder block {block + 1}"
    return VisualRowsSite(f"features{block + 1}", where, "deepstack_features", block)
