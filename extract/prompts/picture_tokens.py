"""How many tokens pictures will fill, told by the processor from their sizes alone where it can."""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PIL import Image

from pid_lvlm.extract.datasets.item import Item
from pid_lvlm.extract.models.adapters.base import Adapter

ORIENTATION: Final = 0x0112
TURNED: Final = range(5, 9)
"""Orientations of EXIF that exchange height and width."""


def expected_picture_tokens(adapter: Adapter, items: Sequence[Item]) -> list[int]:
    """Tokens that the picture of each item will fill; 0 where that is not known before the picture is prepared."""
    sizes: dict[Path | bytes, tuple[int, int] | None] = {}
    for item in items:
        if item.picture not in sizes:
            sizes[item.picture] = picture_size(item.picture)
    known = [size for size in dict.fromkeys(sizes.values()) if size is not None]
    counts = dict(zip(known, adapter.expected_picture_tokens(known) or [], strict=False))
    return [0 if (size := sizes[item.picture]) is None else counts.get(size, 0) for item in items]


def picture_size(source: Path | bytes) -> tuple[int, int] | None:
    """Height and width of a picture as it will be opened, from its header; None if the header cannot be read."""
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(source if isinstance(source, Path) else io.BytesIO(source)) as image,
        ):
            turned = image.getexif().get(ORIENTATION) in TURNED
            return image.size if turned else image.size[::-1]
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):  # said when the picture is opened
        return None
