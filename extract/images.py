"""Pictures: a path, bytes or base64 text becomes an upright RGB picture, or a sentence that says what is wrong."""

import base64
import binascii
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from PIL import Image, ImageOps, UnidentifiedImageError

BASE64_MIN_LENGTH: Final = 64
"""Shorter texts are read as paths: the smallest PNG that shows anything is longer in base64."""


class PictureError(ValueError):
    """A picture is missing or damaged; the text completes "row 3: …"."""


def picture_source(value: Any, folder: Path) -> Path | bytes:
    """Turn a cell of a dataset file into a path or encoded bytes.

    Args:
        value: a path (relative ones start at `folder`), bytes, base64 text, a `data:` URI, or a
            mapping with `bytes` or `path` as the `datasets` library writes it.
        folder: where relative paths start.

    Raises:
        PictureError: the cell is empty, or names a file that does not exist.
    """
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if not isinstance(value, str) or not value.strip():
        message = "no picture: expected a path, bytes or base64 text"
        raise PictureError(message)
    path = folder / value
    if len(value) < BASE64_MIN_LENGTH and not value.startswith("data:"):
        return _existing(path, value)
    decoded = _from_base64(value)
    return _existing(path, value) if decoded is None else decoded


def _existing(path: Path, value: str) -> Path:
    try:
        found = path.is_file()
    except OSError:  # a text too long for a file name
        found = False
    if not found:
        shown = value if len(value) < 120 else value[:80] + "…"
        message = f"there is no picture `{shown}` (looked in `{path.parent}`); check the column or pass --images"
        raise PictureError(message)
    return path


def _from_base64(text: str) -> bytes | None:
    encoded = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None


def open_picture(source: Path | bytes) -> Image.Image:
    """Decode a picture completely, turn it upright as its EXIF data say, and make it RGB.

    Raises:
        PictureError: it is missing, no picture, or cut off.
    """
    try:
        with Image.open(source if isinstance(source, Path) else io.BytesIO(source)) as image:
            image.load()
            return ImageOps.exif_transpose(image).convert("RGB")
    except FileNotFoundError:
        message = f"there is no picture `{source!s}`"
        raise PictureError(message) from None
    except UnidentifiedImageError:
        message = "the picture is in no format that can be read"
        raise PictureError(message) from None
    except (OSError, SyntaxError, ValueError) as error:  # what PIL raises for cut-off and corrupt data
        message = f"the picture is truncated or damaged ({error}); replace the file"
        raise PictureError(message) from None
