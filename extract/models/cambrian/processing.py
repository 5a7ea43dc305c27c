"""Turns pictures and prompts into Cambrian-1's inputs: a square picture per tower, and ids with room for it."""

from collections.abc import Sequence
from typing import Any, Final, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import AutoConfig, AutoProcessor, AutoTokenizer

from pid_lvlm.extract.models.cambrian import grid
from pid_lvlm.extract.models.cambrian.configuration import IMAGE_TOKEN_ID, CambrianConfig
from pid_lvlm.extract.models.cambrian.prompts import IMAGE_TOKEN
from pid_lvlm.extract.models.cambrian.towers import CLIP, CONVNEXT, DINOV2, SIGLIP, Tower, find_towers

Channels = tuple[float, float, float]

CLIP_MEAN: Final[Channels] = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD: Final[Channels] = (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN: Final[Channels] = (0.485, 0.456, 0.406)
IMAGENET_STD: Final[Channels] = (0.229, 0.224, 0.225)
HALF: Final[Channels] = (0.5, 0.5, 0.5)

STATISTICS: Final[dict[str, tuple[Channels, Channels, Channels]]] = {
    SIGLIP: (CLIP_MEAN, HALF, HALF),
    CLIP: (CLIP_MEAN, CLIP_MEAN, CLIP_STD),
    DINOV2: (IMAGENET_MEAN, IMAGENET_MEAN, IMAGENET_STD),
    CONVNEXT: (CLIP_MEAN, CLIP_MEAN, CLIP_STD),
}
"""Per kind of tower: padding colour that makes a picture square, mean and standard deviation of its pixels."""


class CambrianPictures:
    """Prepares pictures for all towers."""

    def __init__(self, towers: Sequence[Tower]) -> None:
        self.towers = tuple(towers)

    def __call__(self, pictures: Sequence[Image.Image]) -> tuple[Tensor, ...]:
        """Per tower (batch, 3, side, side)."""
        return tuple(torch.stack([prepared(picture, tower) for picture in pictures]) for tower in self.towers)


def prepared(picture: Image.Image, tower: Tower) -> Tensor:
    """One picture for one tower: centred on a square, resized, normalised."""
    bars, mean, std = STATISTICS[tower.kind]
    width, height = picture.size
    side = max(width, height)
    square = Image.new("RGB", (side, side), tuple(int(255 * channel) for channel in bars))
    square.paste(picture, ((side - width) // 2, (side - height) // 2))
    pixels = np.asarray(square.resize((tower.resolution, tower.resolution)), dtype=np.float32) / 255
    normalised = (pixels - np.array(mean, dtype=np.float32)) / np.array(std, dtype=np.float32)
    return torch.from_numpy(normalised.transpose(2, 0, 1).copy())


class CambrianProcessor:
    """Takes the place of a transformers processor; an official checkpoint folder has only a tokenizer.

    Args:
        tokenizer: the checkpoint's tokenizer.
        config: its configuration.
    """

    image_token = IMAGE_TOKEN

    def __init__(self, tokenizer: Any, config: CambrianConfig) -> None:
        self.tokenizer = tokenizer
        self.side = config.image_side
        self.image_processor = CambrianPictures(find_towers(config))

    @classmethod
    def from_pretrained(cls, source: str, **kwargs: Any) -> Self:
        """Read tokenizer and configuration of a checkpoint."""
        own = {name: value for name, value in kwargs.items() if name == "revision"}
        return cls(AutoTokenizer.from_pretrained(source, **own), AutoConfig.from_pretrained(source, **own))

    def __call__(self, text: Sequence[str], images: Sequence[Image.Image] | None = None) -> dict[str, Any]:
        """Left-padded ids and mask; with pictures, also their pixels and sizes, and ids with room for them."""
        rows = [self.tokenize(prompt) for prompt in text]
        if images is None:
            return dict(self.tokenizer.pad({"input_ids": rows}, return_tensors="pt"))
        rows = [self._with_room(row, picture) for row, picture in zip(rows, images, strict=True)]
        return {
            **self.tokenizer.pad({"input_ids": rows}, return_tensors="pt"),
            "pixel_values": self.image_processor(images),
            "image_sizes": torch.tensor([picture.size for picture in images]),
        }

    def tokenize(self, prompt: str) -> list[int]:
        """Ids of a prompt with one BOS; texts before and after the picture are tokenised separately, as in training."""
        bos = self.tokenizer.bos_token
        parts = prompt.split(IMAGE_TOKEN)
        ids = self.tokenizer(parts, add_special_tokens=False)["input_ids"]
        if bos and self._adds_bos() and not prompt.startswith(bos):
            ids[0] = [self.tokenizer.bos_token_id, *ids[0]]
        joined = ids[0]
        for part in ids[1:]:
            joined = [*joined, IMAGE_TOKEN_ID, *part]
        return joined

    def _adds_bos(self) -> bool:
        ids = self.tokenizer("x")["input_ids"]
        return bool(ids) and ids[0] == self.tokenizer.bos_token_id

    def _with_room(self, ids: list[int], picture: Image.Image) -> list[int]:
        rows, columns = grid.shape(self.side, picture.size)
        place = ids.index(IMAGE_TOKEN_ID)
        return [*ids[:place], *[IMAGE_TOKEN_ID] * (rows * (columns + 1)), *ids[place + 1 :]]


AutoProcessor.register(CambrianConfig, CambrianProcessor, exist_ok=True)
