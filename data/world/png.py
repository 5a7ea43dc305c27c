"""Write an array as PNG with the standard library alone."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB8 = bytes([8, 2, 0, 0, 0])


def encode_png(picture: NDArray[np.uint8]) -> bytes:
    """Encode a colour picture.

    Args:
        picture: RGB values of shape (height, width, 3).

    Returns:
        The bytes of a PNG file; equal pictures give equal bytes.

    Raises:
        ValueError: If the array is not an 8-bit RGB picture.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        message = f"expected uint8 RGB of shape (height, width, 3), got {picture.dtype} {picture.shape}"
        raise ValueError(message)
    height, width, _ = picture.shape
    rows = np.zeros((height, 1 + 3 * width), dtype=np.uint8)  # each row starts with its filter, 0 = none
    rows[:, 1:] = picture.reshape(height, -1)
    size = struct.pack(">II", width, height)
    body = zlib.compress(rows.tobytes(), 9)
    return _SIGNATURE + _chunk(b"IHDR", size + _RGB8) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
