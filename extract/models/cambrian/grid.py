"""Position of a padded picture on a square grid, and which tower features belong to which of its positions.

Pictures are padded to a square and centred. The padding is removed from every grid by the same rule: the picture's
short side is rounded down to whole cells, and half of the remainder is trimmed at each edge.
"""

import torch
from torch import Tensor

Size = tuple[int, int]
"""Width and height of a picture."""


def margins(side: int, size: Size) -> tuple[int, int]:
    """Rows trimmed at top and bottom, and columns at left and right, of a grid of `side` × `side`."""
    width, height = size
    if width > height:
        return (side - int(height * (side / width))) // 2, 0
    return 0, (side - int(width * (side / height))) // 2


def shape(side: int, size: Size) -> tuple[int, int]:
    """Rows and columns that the picture fills."""
    rows, columns = margins(side, size)
    return side - 2 * rows, side - 2 * columns


def trim(grid: Tensor, size: Size) -> Tensor:
    """The part of a (side, side, …) grid that the picture fills."""
    side = grid.shape[0]
    rows, columns = margins(side, size)
    return grid[rows : side - rows, columns : side - columns]


def windows(features: Tensor, side: int, size: Size, *, trimmed: bool) -> tuple[Tensor, Tensor]:
    """Features of one tower for one picture, in one window per grid position.

    Args:
        features: (tokens, width), a square number of tokens whose side is a multiple of `side`.
        side: side of the grid of windows.
        size: the picture's size.
        trimmed: whether to drop windows outside the picture.

    Returns:
        (windows, tokens of a window, width), and which of those tokens show the picture (all if none does).
    """
    fine = round(features.shape[0] ** 0.5)
    step = fine // side
    cells = features.view(side, step, side, step, -1).transpose(1, 2).flatten(2, 3)
    shown = torch.zeros(fine, fine, dtype=torch.bool, device=features.device)
    trim(shown, size)[:] = True
    seen = shown.view(side, step, side, step).transpose(1, 2).flatten(2)
    if trimmed:
        cells, seen = trim(cells, size), trim(seen, size)
    return cells.flatten(0, 1), (seen | ~seen.any(dim=-1, keepdim=True)).flatten(0, 1)


def resample(tokens: Tensor, count: int) -> Tensor:
    """Resize a square grid of tokens (batch, tokens, width) to `count` tokens, bilinearly in float32."""
    if tokens.shape[1] == count:
        return tokens
    side, target = round(tokens.shape[1] ** 0.5), round(count**0.5)
    grid = tokens.transpose(1, 2).unflatten(2, (side, side)).float()
    scaled = torch.nn.functional.interpolate(grid, size=(target, target), mode="bilinear", align_corners=False)
    return scaled.to(tokens.dtype).flatten(2).transpose(1, 2)
