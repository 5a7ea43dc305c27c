"""Checks how large a processor makes pictures before it makes one."""

from collections.abc import Mapping
from typing import Any, Final

from pid_lvlm.data.bounds import PICTURE_SIDE
from pid_lvlm.data.inputs.schema import shown
from pid_lvlm.extract.errors import ModelError

PLAIN_SIZE: Final = (336, 336)
"""A picture size that every processor accepts."""
SETTINGS: Final = ("size", "crop_size", "max_image_size", "min_image_size", "tile_size", "pad_size")
COUNTS: Final = ("max_pixels", "min_pixels")
IN_PIXELS: Final = "merge_size"
"""Classes with this attribute count the pixels of a picture; others give edge lengths."""


def check_picture_sizes(processor: Any, model: str) -> None:
    """Reject a processor that would make absurdly large pictures.

    Raises:
        ModelError: names the setting, its value and the allowed range.
    """
    images = getattr(processor, "image_processor", None)
    counts_pixels = hasattr(type(images), IN_PIXELS)
    area = PICTURE_SIDE.most**2
    for name in SETTINGS:
        for key, value in _numbers(getattr(images, name, None)):
            most = area if counts_pixels and key.endswith("_edge") else PICTURE_SIDE.most
            _check(model, f"{name}.{key}" if key else name, value, most)
    for name in COUNTS:
        for _, value in _numbers(getattr(images, name, None)):
            _check(model, name, value, area)


def _check(model: str, place: str, value: Any, most: int) -> None:
    if isinstance(value, int | float) and not 1 <= value <= most:
        message = (
            f"the processor of `{model}` would make pictures with `{place}` {shown(value)}; "
            f"expected 1 to {most:,} pixels"
        )
        raise ModelError(message)


def _numbers(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [(str(key), one) for key, one in value.items()]
    if isinstance(value, int | float | list | tuple):
        return [("", one) for one in (value if isinstance(value, list | tuple) else [value])]
    names = ("height", "width", "shortest_edge", "longest_edge", "max_height", "max_width")  # transformers' SizeDict
    return [(name, getattr(value, name)) for name in names if getattr(value, name, None) is not None]
