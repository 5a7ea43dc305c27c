"""Cambrian-1 (8b, 13b, 34b): four towers, and in most checkpoints decoder layers that read their features again."""

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from PIL import Image
from torch import Tensor

from pid_lvlm.data.names import SOURCES
from pid_lvlm.extract.conditions.sites import DecoderInputs, EmbeddingSite, Site, SpanMasks
from pid_lvlm.extract.conditions.transfer import moved
from pid_lvlm.extract.models.adapters.base import PIXELS, Adapter, ModelInputs
from pid_lvlm.extract.models.cambrian.modeling import patch_mask
from pid_lvlm.extract.models.cambrian.processing import CambrianProcessor
from pid_lvlm.extract.models.cambrian.prompts import IMAGE_TOKEN, template_of

SIZES: Final = "image_sizes"
PATCHES: Final = "patches"
"""Mask of the visual span without its row ends."""


class WindowSite(Site):
    """The features read by the samplers between decoder layers: one tower's features, a window for each patch."""

    argument: str = "vision_tower_aux_feature_list"

    def __init__(self, index: int, window: int) -> None:
        super().__init__(
            f"tower_{index}", SOURCES[0], f"features of tower {index} that samplers in the decoder attend to"
        )
        self.index = index
        self.window = window

    def read(self, inputs: DecoderInputs, masks: SpanMasks) -> Tensor:
        """Features of all windows."""
        del masks
        features: Tensor = inputs[self.argument][self.index]
        return features.flatten(0, 1)

    def rows(self, masks: SpanMasks) -> list[int]:
        """Number of window tokens of each sample."""
        return [int(count) * self.window for count in masks.of(PATCHES).sum(dim=1)]

    def write(self, inputs: DecoderInputs, masks: SpanMasks, values: Tensor) -> dict[str, Any]:
        """Replace one tower's features, in a copy of the list."""
        del masks
        features = list(inputs[self.argument])
        old = features[self.index]
        features[self.index] = moved(values, old.device, old.dtype).reshape(old.shape)
        return {**inputs, self.argument: features}


class ContextSite(Site):
    """The picture's global context, one vector per sample, which the samplers receive."""

    argument: str = "global_context_feature"

    def __init__(self) -> None:
        super().__init__("context", SOURCES[0], "global context that samplers in the decoder are told")

    def read(self, inputs: DecoderInputs, masks: SpanMasks) -> Tensor:
        """One vector of each sample."""
        del masks
        context: Tensor = inputs[self.argument]
        return context

    def rows(self, masks: SpanMasks) -> list[int]:
        """One per sample."""
        return [1] * len(masks.vision)

    def write(self, inputs: DecoderInputs, masks: SpanMasks, values: Tensor) -> dict[str, Any]:
        """Replace the vectors."""
        del masks
        old: Tensor = inputs[self.argument]
        return {**inputs, self.argument: moved(values, old.device, old.dtype)}


class CambrianAdapter(Adapter):
    """`CambrianForCausalLM`, this project's port. Sites beyond the embeddings exist unless it is `connector_only`."""

    family: ClassVar[str] = "cambrian"
    needed: ClassVar[tuple[str, ...]] = (PIXELS, SIZES)
    processor: CambrianProcessor

    def __init__(self, model: Any, processor: Any) -> None:
        super().__init__(model, processor)
        self.template = template_of(self.tokenizer)
        config = model.config
        if not config.connector_only:
            lengths = config.mm_vision_tower_aux_token_len_list
            windows = (WindowSite(index, tokens // config.image_token_len) for index, tokens in enumerate(lengths))
            self.sites: tuple[Site, ...] = (*map(EmbeddingSite, SOURCES), *windows, ContextSite())

    def render(self, text: str, *, picture: bool) -> str:
        """The prompt that the checkpoint was trained with."""
        return f"{self.template.before}{IMAGE_TOKEN + chr(10) if picture else ''}{text}{self.template.after}"

    def tokenize(self, prompts: Sequence[str]) -> list[list[int]]:
        """Token ids of rendered prompts, one id for the picture."""
        return [self.processor.tokenize(prompt) for prompt in prompts]

    def process(self, prompts: Sequence[str], pictures: Sequence[Image.Image] | None) -> ModelInputs:
        """The processor's outputs for a batch."""
        more = {} if pictures is None else {"images": list(pictures)}
        inputs = dict(self.processor(text=list(prompts), **more))
        self._check_inputs(inputs, {"input_ids", "attention_mask", *(self.needed if pictures is not None else ())})
        return inputs

    def other_masks(self, inputs: ModelInputs) -> dict[str, Tensor]:
        """The visual span without its row ends: each has a window in every tower."""
        return {PATCHES: patch_mask(self.visual_mask(inputs), inputs[SIZES], self.model.config.image_side)}

    def encode_pictures(self, inputs: ModelInputs) -> ModelInputs:
        """Run towers and connector once."""
        sizes = [(int(width), int(height)) for width, height in inputs[SIZES].tolist()]
        encoded = self.model.model.encode(inputs[PIXELS], sizes)
        rest = {name: value for name, value in inputs.items() if name != PIXELS}
        return {**rest, "mm_encoder_outputs": {"image": encoded}}
