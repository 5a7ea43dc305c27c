"""Cambrian-1 in the official layout: Llama's files with the connector's parameters, and its towers in folders."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from transformers import (
    AutoConfig,
    CLIPVisionConfig,
    CLIPVisionModel,
    Dinov2Config,
    Dinov2Model,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from pid_lvlm.extract.models.cambrian.modeling import CambrianForCausalLM
from tests.extract.models.families.tiny import SIZES, TEXT, VISION, Family, redraw, tokenizer

NAMES = (
    "siglip/CLIP-ViT-SO400M-14-384",
    "openai/clip-vit-large-patch14-336",
    "facebook/dinov2-giant-res42",
    "clip-convnext-XXL-multi-stage-res64",
)
OFFICIAL = {
    "architectures": ["CambrianLlamaForCausalLM"],
    "model_type": "cambrian_llama",
    "mm_projector_type": "sva",
    "mm_vision_select_layer": -2,
    "mm_vision_tower_aux_list": NAMES,
    "mm_vision_tower_aux_token_len_list": [16, 16, 16, 64],
    "vision_hidden_size": 32,
    "num_query_group": 1,
    "query_num_list": [16],
    "connector_depth": 2,
    "image_token_len": 16,
    "image_position": 91,
}
IN_LLM = {
    "connector_only": False,
    "num_of_vision_sampler_layers": 2,
    "start_of_vision_sampler_layers": 0,
    "stride_of_vision_sampler_layers": 2,
}
CONNECTOR_ONLY = {"connector_only": True, "num_query_group": 2, "query_num_list": [4, 16]}
DEPTHS, DIMS = (1, 2, 1, 1), (8, 12, 16, 20)


@dataclass(frozen=True)
class CambrianFamily(Family):
    """A line of the suite whose checkpoint is not written by transformers."""

    def save(self, folder: Path) -> Path:
        """Write config.json, weights under the official names, tokenizer and towers."""
        torch.manual_seed(0)
        save_towers(folder / "vision_towers")
        (folder / "config.json").write_text(json.dumps(self.config()))
        model = CambrianForCausalLM(AutoConfig.from_pretrained(folder)).eval()
        redraw(model)
        self.prepare(model)
        save_file(dict(model.state_dict()), folder / "model.safetensors", metadata={"format": "pt"})
        self.processor().save_pretrained(folder)
        return folder


def in_llm_config() -> dict[str, Any]:
    return {**TEXT, **OFFICIAL, **IN_LLM}


def connector_only_config() -> dict[str, Any]:
    return {**TEXT, **OFFICIAL, **CONNECTOR_ONLY}


def save_towers(folder: Path) -> None:
    networks = (
        SiglipVisionModel(SiglipVisionConfig(**VISION, vision_use_head=False)),
        CLIPVisionModel(CLIPVisionConfig(**VISION, projection_dim=32)),
        Dinov2Model(Dinov2Config(**SIZES, num_hidden_layers=2, image_size=28, patch_size=14)),
    )
    for index, network in enumerate(networks):
        redraw(network)
        network.save_pretrained(folder / str(index))
    save_timm_convnext(folder / "3")


def save_timm_convnext(folder: Path) -> None:
    """A ConvNeXt in the layout and under the names of timm's checkpoints."""
    shapes: dict[str, tuple[int, ...]] = {"stem.0.weight": (DIMS[0], 3, 4, 4), "stem.0.bias": (DIMS[0],)}
    shapes |= {f"stem.1.{part}": (DIMS[0],) for part in ("weight", "bias")}
    for stage, (depth, width) in enumerate(zip(DEPTHS, DIMS, strict=True)):
        if stage:
            before = DIMS[stage - 1]
            shapes |= {f"stages.{stage}.downsample.0.{part}": (before,) for part in ("weight", "bias")}
            shapes |= {f"stages.{stage}.downsample.1.weight": (width, before, 2, 2)}
            shapes |= {f"stages.{stage}.downsample.1.bias": (width,)}
        for block in range(depth):
            own = {
                "gamma": (width,),
                "conv_dw.weight": (width, 1, 7, 7),
                "conv_dw.bias": (width,),
                "norm.weight": (width,),
                "norm.bias": (width,),
                "mlp.fc1.weight": (4 * width, width),
                "mlp.fc1.bias": (4 * width,),
                "mlp.fc2.weight": (width, 4 * width),
                "mlp.fc2.bias": (width,),
            }
            shapes |= {f"stages.{stage}.blocks.{block}.{name}": shape for name, shape in own.items()}
    shapes |= {f"head.norm.{part}": (DIMS[-1],) for part in ("weight", "bias")}
    folder.mkdir(parents=True)
    save_file({name: torch.randn(shape) * 0.3 for name, shape in shapes.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(
        json.dumps({"architecture": "convnext_xxlarge", "model_args": {"depths": DEPTHS, "dims": DIMS}})
    )


def cambrian_inputs(processor: Any, prompt: str, picture: Image.Image | None) -> Any:
    return processor(text=[prompt], images=None if picture is None else [picture])


def wide(model: Any) -> None:
    """A decoder that clearly attends to all of its prompt, and a picture that is heard in it."""
    for parameter in (*model.model.layers.parameters(), *model.model.mm_projector.parameters()):
        if parameter.ndim >= 2:
            nn.init.normal_(parameter, std=0.3)


PICTURES = ((28, 28), (28, 44), (40, 20))
FAMILIES = (
    CambrianFamily("cambrian_llama", in_llm_config, tokenizer, wide, PICTURES, inputs=cambrian_inputs),
    CambrianFamily(
        "cambrian_llama_connector_only", connector_only_config, tokenizer, wide, PICTURES, inputs=cambrian_inputs
    ),
)
