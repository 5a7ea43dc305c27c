"""Pictures: a path, bytes or base64 text becomes an upright RGB picture, or a sentence that says what is wrong."""

import base64
import binascii
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pid_lvlm.extract.datasets.answer_options import cell_text, list_in_text
from pid_lvlm.extract.datasets.errors import Reason, RowError

BASE64_MIN_LENGTH: Final = 64
"""Shorter texts are read as paths: the smallest PNG that shows anything is longer in base64."""


def picture_source(value: Any, folder: Path, patterns: Sequence[str] = ("{name}",)) -> Path | bytes:
    """Turn a cell of a dataset file into a path or encoded bytes.

    Args:
        value: a path (relative ones start at `folder`), bytes, base64 text, a `data:` URI, a mapping with `bytes` or
            `path` as the `datasets` library writes it, or a list of one of these.
        folder: where relative paths start.
        patterns: where a picture may be in `folder`; see `places`.

    Raises:
        RowError: the cell is empty, holds several pictures, or names a file that does not exist.
    """
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = list_in_text(value) or value
    if isinstance(value, list | tuple):
        if len(value) > 1:
            message = f"{len(value)} pictures; only items about one picture can be decomposed, leave this one out"
            raise RowError(Reason.SEVERAL_PICTURES, message)
        return picture_source(value[0] if value else None, folder, patterns)
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    text = cell_text(value)
    if not text:
        message = "no picture: expected a path, bytes or base64 text"
        raise RowError(Reason.NO_PICTURE, message)
    if len(text) < BASE64_MIN_LENGTH and not text.startswith("data:"):
        return _existing(text, folder, patterns)
    decoded = _from_base64(text)
    return _existing(text, folder, patterns) if decoded is None else decoded


def places(name: str, patterns: Sequence[str]) -> list[str]:
    """Paths that a picture called `name` may have.

    Args:
        name: as the file has it, such as `COCO_val2014_000000310196.jpg`.
        patterns: with `{name}`; `{stem}`, without its ending; `{tail}`, the part after the last underscore;
            `{padded}`, the stem filled with zeros to twelve digits as COCO names its files.
    """
    stem = Path(name).stem
    names = {"name": name, "stem": stem, "tail": name.rpartition("_")[2], "padded": stem.zfill(12)}
    return list(dict.fromkeys(pattern.format(**names) for pattern in patterns))


def _existing(name: str, folder: Path, patterns: Sequence[str]) -> Path:
    tried = places(name, patterns)
    for place in tried:
        path = folder / place
        try:
            if path.is_file():
                return path
        except OSError:  # a text too long for a file name
            continue
    shown = name if len(name) < 120 else name[:80] + "…"
    where = (
        f"looked in `{(folder / name).parent}`" if len(tried) == 1 else f"looked for {', '.join(tried)} in `{folder}`"
    )
    message = f"there is no picture `{shown}` ({where}); check the column or pass --images"
    raise RowError(Reason.NO_PICTURE, message)


def _from_base64(text: str) -> bytes | None:
    encoded = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None


def open_picture(source: Path | bytes) -> Image.Image:
    """Decode a picture completely, turn it upright according to its EXIF data, and convert it to RGB.

    Processors convert to RGB each in its own way, or not at all.

    Raises:
        RowError: it is missing, not a picture, cut off, or has pixels without a fixed range.
    """
    shown = f"the picture `{source.name}`" if isinstance(source, Path) else "the picture"
    try:
        with Image.open(source if isinstance(source, Path) else io.BytesIO(source)) as image:
            image.load()
            return _in_8_bits(ImageOps.exif_transpose(image)).convert("RGB")
    except RowError:
        raise
    except FileNotFoundError:
        message = f"there is no picture `{source!s}`"
        raise RowError(Reason.NO_PICTURE, message) from None
    except UnidentifiedImageError:
        message = f"{shown} is not in a format that can be read, such as PNG or JPEG; replace the file"
        raise RowError(Reason.BAD_PICTURE, message) from None
    except Image.DecompressionBombError as error:
        message = f"{shown} is too large ({error}); scale it down"
        raise RowError(Reason.BAD_PICTURE, message) from None
    except (OSError, SyntaxError, ValueError) as error:  # what PIL raises for cut-off and corrupt data
        message = f"{shown} is truncated or damaged ({error}); replace the file"
        raise RowError(Reason.BAD_PICTURE, message) from None


def _in_8_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits scaled to 8: PIL's own conversion cuts it off at 255, and all but the darkest parts are white."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        message = f"the picture has pixels of 32 bits (mode {image.mode}), whose range is not known; save it in 8 bits"
        raise RowError(Reason.BAD_PICTURE, message)
    return image
