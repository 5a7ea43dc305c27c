"""How many tokens pictures will fill, computed by the processor from their sizes alone if possible."""

from collections.abc import Sequence
from pathlib import Path

from pid_lvlm.extract.datasets.images import picture_size
from pid_lvlm.extract.datasets.item import Item
from pid_lvlm.extract.models.adapters.base import Adapter


def expected_picture_tokens(adapter: Adapter, items: Sequence[Item]) -> list[int]:
    """Number of tokens that each item's picture will fill; 0 if unknown before the picture is prepared."""
    sizes: dict[Path | bytes, tuple[int, int] | None] = {}
    for item in items:
        if item.picture not in sizes:
            sizes[item.picture] = picture_size(item.picture, item.max_pixels)
    known = [size for size in dict.fromkeys(sizes.values()) if size is not None]
    counts = dict(zip(known, adapter.expected_picture_tokens(known) or [], strict=False))
    return [0 if (size := sizes[item.picture]) is None else counts.get(size, 0) for item in items]
