"""Decodes pictures: a path or bytes become an upright RGB picture, or a sentence that says what is wrong."""

import hashlib
import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from pid_lvlm.data.bounds import PICTURE_BYTES, PIXELS, Bound
from pid_lvlm.data.command.shown import cut
from pid_lvlm.data.inputs.paths import open_regular
from pid_lvlm.extract.datasets.errors import Reason, RowError

FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000")
"""Formats that are decoded. Pillow supports more, and passes some of them, such as EPS, to other programs."""
FRAMED: Final = ("PNG", "WEBP", "GIF", "TIFF")
"""Formats whose files may hold several pictures. Additional ones in a JPEG (MPO) are previews and depth maps."""

TURNS: Final = {
    2: (Image.Transpose.FLIP_LEFT_RIGHT,),
    3: (Image.Transpose.ROTATE_180,),
    4: (Image.Transpose.FLIP_TOP_BOTTOM,),
    5: (Image.Transpose.TRANSPOSE,),
    6: (Image.Transpose.ROTATE_270,),
    7: (Image.Transpose.TRANSVERSE,),
    8: (Image.Transpose.ROTATE_90,),
}
"""The operation that makes a picture upright, by its EXIF orientation."""
SIDEWAYS: Final = range(5, 9)
"""Orientations that swap height and width."""


@dataclass(frozen=True)
class CheckedPicture:
    """What is known about a picture after decoding it: the SHA-256 of its file, and whether the file holds several."""

    sha256: str
    several: bool


def open_picture(source: Path | bytes, most: int = PIXELS.most, side: int | None = None) -> Image.Image:
    """Decode a picture completely, rotate it upright by its EXIF data, and convert it to RGB.

    Processors convert to RGB in different ways, or not at all. For an animation or a multi-page file, this is the first
    picture.

    Args:
        source: a file or its content.
        most: maximum number of pixels to decode, checked before decoding.
        side: sufficient number of pixels per side; a JPEG is then decoded at reduced size, which is fast.

    Raises:
        RowError: it is missing, not a picture, cut off, too large, or has pixels without a fixed range.
    """
    with _opened(source, most) as file, _decoding(source, file, most) as image:
        if side is not None:
            image.draft(None, (side, side))
        image.load()
        return _upright(_in_8_bits(image)).convert("RGB")


def check_picture(source: Path | bytes, most: int = PIXELS.most) -> CheckedPicture:
    """Decode a picture once and return what is known about it then.

    Raises:
        RowError: as in `open_picture`.
    """
    with _opened(source, most) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        with _decoding(source, file, most) as image:
            image.load()
            _upright(_in_8_bits(image)).convert("RGB")
            return CheckedPicture(digest, image.format in FRAMED and _is_animated(image))


def picture_size(source: Path | bytes, most: int = PIXELS.most) -> tuple[int, int] | None:
    """Height and width of a picture after opening, from its header; None if it cannot be opened."""
    try:
        with _opened(source, most) as file, _decoding(source, file, most) as image:
            width, height = image.size
            return (width, height) if _orientation(image) in SIDEWAYS else (height, width)
    except RowError:  # reported when the picture is opened
        return None


def _is_animated(image: Image.Image) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # what follows the first picture is not read, so it may be damaged
        return False


@contextmanager
def _opened(source: Path | bytes, most: int) -> Iterator[Any]:
    """The file of a picture, unless it is too large for its allowed number of pixels."""
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else open_regular(source) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            if not size:
                raise RowError(Reason.BAD_PICTURE, f"{_name(source)} is empty (0 bytes); replace the file")
            if size > PICTURE_BYTES.most * most:
                limit = f"{PICTURE_BYTES} of {_pixels(most)}"
                raise RowError(
                    Reason.BAD_PICTURE,
                    f"{_name(source)} has {size:,} bytes; at most {limit} are read; is it a picture?",
                )
            yield file
    except FileNotFoundError:
        raise RowError(Reason.NO_PICTURE, f"picture `{cut(str(source))}` does not exist") from None
    except OSError as error:
        message = f"{_name(source)} cannot be read ({error.strerror or error}); replace the file"
        raise RowError(Reason.BAD_PICTURE, message) from None


@contextmanager
def _decoding(source: Path | bytes, file: BinaryIO, most: int) -> Iterator[Image.Image]:
    """Open the picture without decoding it, and turn any decoder error into a sentence."""
    shown = _name(source)
    try:
        with _without_pillows_limit(), Image.open(file, formats=FORMATS) as image:
            _check_size(shown, image, most)
            yield image
    except RowError:
        raise
    except UnidentifiedImageError:
        message = f"{shown} is not in a format that can be read, such as PNG or JPEG; replace the file"
        raise RowError(Reason.BAD_PICTURE, message) from None
    except MemoryError:
        raise RowError(Reason.BAD_PICTURE, f"{shown} does not fit into memory; scale it down") from None
    except Exception as error:  # decoders raise almost anything on truncated or corrupt data
        reason = cut(str(error) or type(error).__name__)
        message = f"{shown} is truncated or damaged ({reason}); replace the file"
        raise RowError(Reason.BAD_PICTURE, message) from None


def _name(source: Path | bytes) -> str:
    return f"the picture `{cut(source.name)}`" if isinstance(source, Path) else "the picture"


@contextmanager
def _without_pillows_limit() -> Iterator[None]:
    """Our limit applies before decoding and can be raised; Pillow's own only warns at first."""
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about metadata
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _check_size(shown: str, image: Image.Image, most: int) -> None:
    width, height = image.size
    if width < 1 or height < 1:
        raise RowError(Reason.BAD_PICTURE, f"{shown} has {width} × {height} pixels; replace the file")
    if width * height > most:
        message = f"{shown} is too large ({width} × {height} pixels; at most {_pixels(most)} are read); scale it down"
        raise RowError(Reason.BAD_PICTURE, message)


def _pixels(most: int) -> str:
    return str(Bound(most, PIXELS.unit, PIXELS.what, PIXELS.option))


def _orientation(image: Image.Image) -> int | None:
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # the pixels are intact even if the metadata is not
        return None


def _upright(image: Image.Image) -> Image.Image:
    orientation = _orientation(image)
    return image.transpose(*TURNS[orientation]) if orientation in TURNS else image


def _in_8_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey to 8 bits: PIL's own conversion clips at 255, which makes all but the darkest parts white."""
    if image.mode.startswith("I;16"):
        grey = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        grey.info.update(image.info)
        return grey
    if image.mode in ("I", "F"):
        message = f"the picture has 32-bit pixels (mode {image.mode}) of unknown range; save it with 8 bits"
        raise RowError(Reason.BAD_PICTURE, message)
    return image
