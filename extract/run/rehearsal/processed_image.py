"""The picture as a model receives it, converted back from the processor's tensors to a viewable image."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

PIXELS = "pixel_values"
GRID = "image_grid_thw"


def received_picture(image_processor: Any, inputs: Mapping[str, Any]) -> Image.Image | None:
    """Undo a processor's normalisation and, if it splits the picture, reassemble the pieces.

    Args:
        image_processor: defines the mean, the standard deviation and the patch sizes.
        inputs: the processor's outputs for one picture.

    Returns:
        The picture, with tiles side by side; None if the layout of the tensors is unknown.
    """
    pixels = inputs.get(PIXELS)
    if not isinstance(pixels, Tensor):
        return None
    pixels = pixels.float()
    if GRID in inputs and pixels.ndim == 2:
        tiles = _from_patches(image_processor, pixels, inputs[GRID][0].tolist())
    elif pixels.ndim >= 4 and pixels.shape[-3] == 3:
        tiles = pixels.reshape(-1, *pixels.shape[-3:])
    else:
        return None
    return _side_by_side(_denormalised(image_processor, tiles))


def _from_patches(image_processor: Any, patches: Tensor, grid: Sequence[int]) -> Tensor:
    """Qwen-VL: rows are patches, in blocks of merge × merge that become one token; (frames, 3, height, width)."""
    frames, height, width = grid
    merge, size, depth = image_processor.merge_size, image_processor.patch_size, image_processor.temporal_patch_size
    blocks = patches.reshape(frames, height // merge, width // merge, merge, merge, 3, depth, size, size)
    first = blocks[:, ..., 0, :, :]  # a still picture is repeated over the temporal patch
    return first.permute(0, 5, 1, 3, 6, 2, 4, 7).reshape(frames, 3, height * size, width * size)


def _denormalised(image_processor: Any, tiles: Tensor) -> Tensor:
    """Values from 0 to 1."""
    if getattr(image_processor, "do_normalize", False):
        mean, std = (torch.tensor(getattr(image_processor, name)) for name in ("image_mean", "image_std"))
        tiles = tiles * std[:, None, None] + mean[:, None, None]
    return tiles.clamp(0, 1)


def _side_by_side(tiles: Tensor) -> Image.Image:
    """Arrange tiles (n, 3, height, width) in a nearly square grid, in reading order."""
    count, _, height, width = tiles.shape
    across = ceil(count**0.5)
    sheet = Image.new("RGB", (across * width, ceil(count / across) * height))
    values = (tiles * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    for number, tile in enumerate(values):
        sheet.paste(Image.fromarray(np.ascontiguousarray(tile)), (number % across * width, number // across * height))
    return sheet
