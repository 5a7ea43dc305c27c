"""The four vision towers, from transformers: SigLIP, CLIP, DINOv2, ConvNeXt.

An official checkpoint only names its towers; they come from their own repositories. Folders `vision_towers/0`,
`vision_towers/1`, … inside the checkpoint take precedence, for offline machines and for tests.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import (
    CLIPVisionModel,
    ConvNextConfig,
    ConvNextModel,
    Dinov2Model,
    PreTrainedConfig,
    SiglipVisionModel,
)
from transformers.utils.hub import cached_file

from pid_lvlm.data.command.shown import cut
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.models.cambrian.configuration import CambrianConfig
from pid_lvlm.extract.models.cambrian.grid import resample

SOURCES: Final = {
    "siglip/CLIP-ViT-SO400M-14-384": "google/siglip-so400m-patch14-384",
    "openai/clip-vit-large-patch14-336": "openai/clip-vit-large-patch14-336",
    "facebook/dinov2-giant": "facebook/dinov2-giant",
    "clip-convnext-XXL": "timm/convnext_xxlarge.clip_laion2b_soup",
}
"""Prefix of a tower's name in config.json -> repository with the same weights in a supported layout."""

SIGLIP, CLIP, DINOV2, CONVNEXT = "siglip", "clip", "dinov2", "convnext"
CLASSES: Final[dict[str, Any]] = {
    SIGLIP: SiglipVisionModel,
    CLIP: CLIPVisionModel,
    DINOV2: Dinov2Model,
    CONVNEXT: ConvNextModel,
}
TIMM_SHAPES: Final = {"convnext_xxlarge": {"depths": [3, 4, 30, 3], "dims": [384, 768, 1536, 3072]}}
TIMM_EPSILON: Final = 1e-5
"""Epsilon of the norms in timm's CLIP ConvNeXt; transformers' class hard-codes 1e-6."""

CONVNEXT_RESOLUTION: Final = 1024


@dataclass(frozen=True)
class Tower:
    """One tower, before its weights are loaded.

    Attributes:
        source: repository or folder.
        kind: a key of `CLASSES`.
        config: its configuration.
        width: channels of its features.
        resolution: side in pixels of the square picture it reads.
        timm: whether its weights use timm's names.
    """

    source: str
    kind: str
    config: Any
    width: int
    resolution: int
    timm: bool = False


def find_towers(config: CambrianConfig) -> tuple[Tower, ...]:
    """The towers of a checkpoint, in its order.

    Raises:
        ModelError: a tower is unknown, or its configuration cannot be read.
    """
    folder = Path(config.name_or_path) / "vision_towers"
    return tuple(_find(name, folder / str(index)) for index, name in enumerate(config.mm_vision_tower_aux_list))


def _find(name: str, folder: Path) -> Tower:
    source = str(folder) if (folder / "config.json").exists() else _repository(name)
    raw, _ = PreTrainedConfig.get_config_dict(source)
    if "architecture" in raw:  # timm's layout
        made = {**TIMM_SHAPES.get(raw["architecture"], {}), **raw.get("model_args", {})}
        own: Any = ConvNextConfig(depths=made["depths"], hidden_sizes=made["dims"])
        kind = CONVNEXT
    else:
        kind = str(raw.get("model_type", "")).removesuffix("_vision_model")
        if kind not in CLASSES:
            message = f"vision tower `{cut(name)}` ({source}) is of type `{cut(kind)}`; known are {', '.join(CLASSES)}"
            raise ModelError(message)
        own = CLASSES[kind].config_class.from_pretrained(source)
    written = re.search(r"-res(\d+)", name)
    resolution = CONVNEXT_RESOLUTION if kind == CONVNEXT else own.image_size
    width = own.hidden_size if kind != CONVNEXT else sum(own.hidden_sizes)
    return Tower(source, kind, own, width, int(written[1]) if written else resolution, "architecture" in raw)


def _repository(name: str) -> str:
    for start, repository in SOURCES.items():
        if name.startswith(start):
            return repository
    message = f"vision tower `{cut(name)}` is not supported; known are {', '.join(SOURCES)}"
    raise ModelError(message)


class VisionTower(nn.Module):
    """A loaded tower.

    Args:
        tower: what it is.
        network: its network.
        tokens: number of tokens that its output is interpolated to.
        select_layer: hidden state that is read from a CLIP tower.
    """

    def __init__(self, tower: Tower, network: nn.Module, tokens: int, select_layer: int) -> None:
        super().__init__()
        self.kind = tower.kind
        self.vision_tower = network
        self.tokens = tokens
        self.select_layer = select_layer

    def forward(self, pixels: Tensor) -> Tensor:
        """Features (batch, tokens, width) of normalised pixels (batch, 3, side, side)."""
        weights = next(self.vision_tower.parameters())
        output = self.vision_tower(pixels.to(weights.device, weights.dtype), output_hidden_states=self.kind != DINOV2)
        if self.kind == CONVNEXT:  # all stages, with coarse ones upsampled
            stages = [resample(stage.flatten(2).transpose(1, 2), self.tokens) for stage in output.hidden_states[1:]]
            return torch.cat(stages, dim=-1)
        if self.kind == CLIP:
            return resample(output.hidden_states[self.select_layer][:, 1:], self.tokens)
        patches = output.last_hidden_state if self.kind == SIGLIP else output.last_hidden_state[:, 1:]
        return resample(patches, self.tokens)


def load_towers(config: CambrianConfig, dtype: torch.dtype) -> nn.ModuleList:
    """Load the weights of all towers, in evaluation mode."""
    lengths = config.mm_vision_tower_aux_token_len_list
    return nn.ModuleList(
        VisionTower(tower, _network(tower, dtype), tokens, config.mm_vision_select_layer).eval()
        for tower, tokens in zip(find_towers(config), lengths, strict=True)
    )


def _network(tower: Tower, dtype: torch.dtype) -> nn.Module:
    if not tower.timm:
        network: nn.Module = CLASSES[tower.kind].from_pretrained(tower.source, dtype=dtype)
        return network
    network = ConvNextModel(tower.config)
    for module in network.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = TIMM_EPSILON
    weights = load_file(str(cached_file(tower.source, "model.safetensors")))
    named = from_timm(weights)
    _check_names(network, named)
    network.load_state_dict(named, strict=False)  # the norm after pooling is not used
    return network.to(dtype)


def from_timm(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of timm's ConvNeXt under the names of transformers' class, without its head."""
    return {_renamed(name): tensor for name, tensor in weights.items() if not name.startswith("head.")}


def _renamed(name: str) -> str:
    for pattern, new in (
        (r"^stem\.0\.", "embeddings.patch_embeddings."),
        (r"^stem\.1\.", "embeddings.layernorm."),
        (r"^stages\.", "encoder.stages."),
        (r"\.downsample\.", ".downsampling_layer."),
        (r"\.blocks\.", ".layers."),
        (r"\.conv_dw\.", ".dwconv."),
        (r"\.norm\.", ".layernorm."),
        (r"\.mlp\.fc(\d)\.", r".pwconv\1."),
        (r"\.gamma$", ".layer_scale_parameter"),
    ):
        name = re.sub(pattern, new, name)
    return name


def _check_names(network: nn.Module, weights: dict[str, Tensor]) -> None:
    own = {name for name in network.state_dict() if not name.startswith("layernorm.")}
    if wrong := sorted(own ^ set(weights)):
        message = f"the ConvNeXt tower's weights do not fit: `{wrong[0]}` is only on one side"
        raise ModelError(message)
