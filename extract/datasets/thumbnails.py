"""Thumbnails of the items' pictures, small enough to keep with every run."""

import io
from collections.abc import Iterable
from typing import Final

from PIL import Image

from pid_lvlm.extract.datasets.images import open_picture
from pid_lvlm.extract.datasets.item import Item

SIDE: Final = 160
"""Pixels of a thumbnail's longer side; smaller pictures keep their size."""
QUALITY: Final = 75
"""JPEG quality, from 0 to 95."""
ENOUGH: Final = 2 * SIDE
"""Pixels per side that are enough for good downscaling."""
REMEMBERED: Final = 8192
"""Number of thumbnails that a process caches by picture hash: the models of a sweep share items."""

_made: dict[tuple[str, int], bytes] = {}


def thumbnail(item: Item) -> bytes:
    """A thumbnail of an item: JPEG, or PNG if the picture is already small and PNG is smaller, as for drawings.

    The same picture gives the same bytes with the same version of Pillow.

    Raises:
        RowError: the picture has changed since the dataset was read.
    """
    key = (item.picture_sha256, item.max_pixels)
    if key in _made:
        return _made[key]
    made = _scaled_down(item)
    if item.picture_sha256 and len(_made) < REMEMBERED:
        _made[key] = made
    return made


def _scaled_down(item: Item) -> bytes:
    picture = open_picture(item.picture, item.max_pixels, ENOUGH)
    small = max(picture.size) <= SIDE
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    as_jpeg = _encoded(picture, "JPEG", quality=QUALITY, optimize=True)
    return min(as_jpeg, _encoded(picture, "PNG", optimize=True), key=len) if small else as_jpeg


def _encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.info = {}  # drop profiles and comments of the original
    picture.save(file, kind, **options)
    return file.getvalue()


def distinct_pictures(items: Iterable[Item]) -> tuple[list[Item], list[int]]:
    """The first item of each distinct picture, and for every item the index of its picture."""
    numbers: dict[object, int] = {}
    firsts: list[Item] = []
    places: list[int] = []
    for item in items:
        number = numbers.setdefault(item.picture_sha256 or item.picture, len(firsts))
        if number == len(firsts):
            firsts.append(item)
        places.append(number)
    return firsts, places
