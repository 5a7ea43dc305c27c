"""Thumbnails: small, upright, in the picture's colours, the same bytes each time."""

import io

import numpy as np
import pytest
from PIL import ExifTags, Image

from pid_lvlm.data.bounds import PIXELS, THUMBNAIL
from pid_lvlm.extract.datasets import thumbnails
from pid_lvlm.extract.datasets.item import Item
from pid_lvlm.extract.datasets.thumbnails import SIDE, distinct_pictures, thumbnail


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def halves(width: int, height: int) -> Image.Image:
    """Red on the left, blue on the right."""
    picture = Image.new("RGB", (width, height), "blue")
    picture.paste("red", (0, 0, width // 2, height))
    return picture


def item(picture: bytes, name: str = "a", sha256: str = "") -> Item:
    return Item(name, name, picture, "which?", ("a", "b"), picture_sha256=sha256)


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGB")


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    ("size", "expected"),
    [((1200, 600), (160, 80)), ((600, 1200), (80, 160)), ((161, 20), (160, 20)), ((9000, 3), (160, 1))],
)
def test_large_pictures_become_small(kind: str, size: tuple[int, int], expected: tuple[int, int]) -> None:
    content = thumbnail(item(encoded(halves(*size), kind)))
    small = opened(content)
    assert small.size == expected
    assert content.startswith(b"\xff\xd8\xff")
    pixels = np.asarray(small, int)
    assert np.abs(pixels[:, : expected[0] // 4] - (255, 0, 0)).max() < 12
    assert np.abs(pixels[:, -(expected[0] // 4) :] - (0, 0, 255)).max() < 12


def test_small_pictures_keep_their_size_and_drawings_their_pixels() -> None:
    picture = halves(32, 20)
    content = thumbnail(item(encoded(picture, "PNG")))
    assert content.startswith(b"\x89PNG")
    assert opened(content).tobytes() == picture.tobytes()


def test_a_turned_picture_is_upright() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # stored lying on its left side
    turned = encoded(halves(800, 400), "JPEG", exif=exif)
    small = opened(thumbnail(item(turned)))
    assert small.size == (80, 160)
    assert np.abs(np.asarray(small, int)[:40] - (255, 0, 0)).max() < 12


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "I;16", "1", "LA"])
def test_every_mode_becomes_a_picture(mode: str) -> None:
    picture = Image.new(mode, (300, 200)) if mode == "I;16" else halves(300, 200).convert(mode)
    kind = "TIFF" if mode in ("CMYK", "I;16") else "PNG"
    assert opened(thumbnail(item(encoded(picture, kind)))).size == (160, 107)


def test_equal_pictures_give_equal_bytes_and_metadata_stay_out() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8))
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "a name that should not be passed on"
    plain, signed = encoded(noise, "PNG"), encoded(noise, "PNG", exif=exif)
    assert plain != signed
    assert thumbnail(item(plain)) == thumbnail(item(signed)) == thumbnail(item(plain))
    assert len(thumbnail(item(plain))) < THUMBNAIL.most  # nothing of this size is larger than noise


def test_equal_pictures_are_one() -> None:
    red, blue = encoded(halves(9, 9), "PNG"), encoded(halves(8, 8), "PNG")
    items = [item(red, "a", "1"), item(blue, "b", "2"), item(blue, "c", "1"), item(blue, "d"), item(blue, "e")]
    firsts, numbers = distinct_pictures(items)
    assert numbers == [0, 1, 0, 2, 2]  # by the hash of the file, or else by its content
    assert [first.id for first in firsts] == ["a", "b", "d"]


def test_a_thumbnail_is_made_once_for_equal_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnails, "_made", {})
    first = thumbnail(item(encoded(halves(300, 200), "PNG"), sha256="a"))
    assert thumbnail(item(b"not read again", "b", sha256="a")) is first
    monkeypatch.setattr(thumbnails, "REMEMBERED", 1)
    assert thumbnail(item(encoded(halves(200, 300), "PNG"), sha256="c")) != first
    assert list(thumbnails._made) == [("a", PIXELS.most)]
