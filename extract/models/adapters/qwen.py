"""Qwen's vision-language models."""

from typing import Any, ClassVar

from pid_lvlm.extract.conditions.sites import VisualRowsSite
from pid_lvlm.extract.models.adapters.base import PIXELS, Adapter

NEEDED = (PIXELS, "image_grid_thw", "mm_token_type_ids")
"""The last two define 3D rotary positions. Without them Qwen2.5-VL silently falls back to one dimension."""


class Qwen2VLAdapter(Adapter):
    """`Qwen2VLForConditionalGeneration`."""

    family: ClassVar[str] = "qwen2_vl"
    projector: ClassVar[str] = "visual.merger"
    shares_prefix: ClassVar[bool] = True
    needed: ClassVar[tuple[str, ...]] = NEEDED


class Qwen25VLAdapter(Qwen2VLAdapter):
    """`Qwen2_5_VLForConditionalGeneration`."""

    family: ClassVar[str] = "qwen2_5_vl"


class Qwen3VLAdapter(Qwen2VLAdapter):
    """`Qwen3VLForConditionalGeneration` and its mixture of experts: features of lower vision layers enter as well.

    The decoder adds them to the visual positions after its first blocks (deepstack), one tensor per block.
    """

    family: ClassVar[str] = "qwen3_vl"
    shares_prefix: ClassVar[bool] = False

    def __init__(self, model: Any, processor: Any) -> None:
        super().__init__(model, processor)
        levels = len(model.config.vision_config.deepstack_visual_indexes)
        self.sites = (*self.sites, *(_deepstack(level) for level in range(levels)))


class Qwen35Adapter(Qwen2VLAdapter):
    """`Qwen3_5ForConditionalGeneration`: no deepstack, some layers with linear attention."""

    family: ClassVar[str] = "qwen3_5"
    shares_prefix: ClassVar[bool] = False


def _deepstack(level: int) -> VisualRowsSite:
    where = f"deepstack features added after decoder block {level + 1}"
    return VisualRowsSite(f"deepstack{level + 1}", where, "deepstack_visual_embeds", level)
