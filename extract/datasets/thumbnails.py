"""Thumbnails of items' pictures, small enough to be kept with every run."""

import io
from collections.abc import Iterable
from typing import Final

from PIL import Image

from pid_lvlm.extract.datasets.images import open_picture
from pid_lvlm.extract.datasets.item import Item

SIDE: Final = 160
"""Pixels of a thumbnail's longer side; smaller pictures keep their size."""
QUALITY: Final = 75
"""Of JPEG, from 0 to 95."""
ENOUGH: Final = 2 * SIDE
"""Pixels of a side from which a picture is scaled down well."""
REMEMBERED: Final = 8192
"""Thumbnails that a process keeps, by the hash of the picture: the models of a sweep have the same items."""

_made: dict[tuple[str, int], bytes] = {}


def thumbnail(item: Item) -> bytes:
    """A small picture of an item: JPEG, or PNG where the picture is small already and PNG is smaller, as of drawings.

    Equal pictures give equal bytes with the same Pillow.

    Raises:
        RowError: the picture is no longer what it was when the dataset was read.
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
    picture.info = {}  # profiles and comments of the original
    picture.save(file, kind, **options)
    return file.getvalue()


def distinct_pictures(items: Iterable[Item]) -> tuple[list[Item], list[int]]:
    """The first item of every picture, and for every item the number of its picture among them."""
    numbers: dict[object, int] = {}
    firsts: list[Item] = []
    places: list[int] = []
    for item in items:
        number = numbers.setdefault(item.picture_sha256 or item.picture, len(firsts))
        if number == len(firsts):
            firsts.append(item)
        places.append(number)
    return firsts, places
