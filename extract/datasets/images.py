"""Pictures: a path, bytes or base64 text becomes an upright RGB picture, or a sentence that says what is wrong."""

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
"""What is decoded. Pillow knows more, and hands some of it, such as EPS, to other programs."""
FRAMED: Final = ("PNG", "WEBP", "GIF", "TIFF")
"""Formats whose files may hold several pictures. The further ones of a JPEG (MPO) are previews and depth."""

TURNS: Final = {
    2: (Image.Transpose.FLIP_LEFT_RIGHT,),
    3: (Image.Transpose.ROTATE_180,),
    4: (Image.Transpose.FLIP_TOP_BOTTOM,),
    5: (Image.Transpose.TRANSPOSE,),
    6: (Image.Transpose.ROTATE_270,),
    7: (Image.Transpose.TRANSVERSE,),
    8: (Image.Transpose.ROTATE_90,),
}
"""What makes a picture upright, by the orientation in its EXIF data."""
SIDEWAYS: Final = range(5, 9)
"""Orientations that exchange height and width."""


@dataclass(frozen=True)
class CheckedPicture:
    """What is known of a picture that was decoded once: the SHA-256 of its file, and whether that holds several."""

    sha256: str
    several: bool


def open_picture(source: Path | bytes, most: int = PIXELS.most, side: int | None = None) -> Image.Image:
    """Decode a picture completely, turn it upright according to its EXIF data, and convert it to RGB.

    Processors convert to RGB each in its own way, or not at all. Of an animation or a file of several pages this is the
    first picture.

    Args:
        source: a file or its content.
        most: pixels that are decoded at most; the number is known before any is.
        side: pixels of a side that are enough; a JPEG is then decoded at a fraction of its size, which is quick.

    Raises:
        RowError: it is missing, not a picture, cut off, too large, or has pixels without a fixed range.
    """
    with _opened(source, most) as file, _decoding(source, file, most) as image:
        if side is not None:
            image.draft(None, (side, side))
        image.load()
        return _upright(_in_8_bits(image)).convert("RGB")


def check_picture(source: Path | bytes, most: int = PIXELS.most) -> CheckedPicture:
    """Decode a picture once and say what is known of it then.

    Raises:
        RowError: as `open_picture` does.
    """
    with _opened(source, most) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        with _decoding(source, file, most) as image:
            image.load()
            _upright(_in_8_bits(image)).convert("RGB")
            return CheckedPicture(digest, image.format in FRAMED and _is_animated(image))


def picture_size(source: Path | bytes, most: int = PIXELS.most) -> tuple[int, int] | None:
    """Height and width of a picture as it will be opened, from its header; None if it is not one that can be."""
    try:
        with _opened(source, most) as file, _decoding(source, file, most) as image:
            width, height = image.size
            return (width, height) if _orientation(image) in SIDEWAYS else (height, width)
    except RowError:  # said when the picture is opened
        return None


def _is_animated(image: Image.Image) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # what follows the first picture is not read, so it may be damaged
        return False


@contextmanager
def _opened(source: Path | bytes, most: int) -> Iterator[Any]:
    """The file of a picture, unless it is too large to be one of so many pixels."""
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
    """The picture, not decoded yet, and a sentence for whatever the decoder raises over it."""
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
    except Exception as error:  # decoders raise nearly everything over data that is cut off or corrupt
        reason = cut(str(error) or type(error).__name__)
        message = f"{shown} is truncated or damaged ({reason}); replace the file"
        raise RowError(Reason.BAD_PICTURE, message) from None


def _name(source: Path | bytes) -> str:
    return f"the picture `{cut(source.name)}`" if isinstance(source, Path) else "the picture"


@contextmanager
def _without_pillows_limit() -> Iterator[None]:
    """Ours counts before decoding and can be raised; Pillow's own only warns at first."""
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata
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
    except Exception:  # the pixels are whole even where what is said about them is not
        return None


def _upright(image: Image.Image) -> Image.Image:
    orientation = _orientation(image)
    return image.transpose(*TURNS[orientation]) if orientation in TURNS else image


def _in_8_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits scaled to 8: PIL's own conversion cuts it off at 255, and all but the darkest parts are white."""
    if image.mode.startswith("I;16"):
        grey = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        grey.info.update(image.info)
        return grey
    if image.mode in ("I", "F"):
        message = f"the picture has pixels of 32 bits (mode {image.mode}), whose range is not known; save it in 8 bits"
        raise RowError(Reason.BAD_PICTURE, message)
    return image
