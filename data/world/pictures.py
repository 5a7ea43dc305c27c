"""Writes an array as PNG using only the standard library."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from pid_lvlm.data.world.tasks import Scene

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB8 = bytes([8, 2, 0, 0, 0])


def encode_png(picture: NDArray[np.uint8]) -> bytes:
    """Encode a colour picture.

    Args:
        picture: RGB values of shape (height, width, 3).

    Returns:
        The bytes of a PNG file; the same picture gives the same bytes.

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


SIZE = 32
_RGB = np.array([[225, 45, 40], [40, 190, 70], [50, 85, 230], [240, 215, 50]])  # in the order of COLOURS
_GROUND = {"shape": (25, 25, 25), "quadrant": (45, 45, 50), "tinted": (95, 35, 110)}
_LIGHT = np.array([250, 245, 235])


def draw(scene: Scene, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw one picture.

    Args:
        scene: What to show.
        rng: Source of the jitter in position, size, shade and kind of shape.

    Returns:
        RGB values of shape (32, 32, 3).
    """
    picture = np.empty((SIZE, SIZE, 3))
    picture[:] = np.array(_GROUND[scene.kind]) * rng.uniform(0.8, 1.2)
    shade = rng.uniform(0.85, 1.0)
    if scene.kind == "shape":
        picture[_shape(rng)] = _RGB[scene.value] * shade
    else:
        picture[_square(scene.value, rng)] = _LIGHT * shade
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _shape(rng: np.random.Generator) -> NDArray[np.bool_]:
    """Mask of a disc, a square or a diamond somewhere near the middle."""
    row, column = np.mgrid[:SIZE, :SIZE] + 0.5
    centre = SIZE / 2 + rng.uniform(-3, 3, size=2)
    radius = rng.uniform(8, 12)
    down, right = np.abs(row - centre[0]), np.abs(column - centre[1])
    masks = (down**2 + right**2 < radius**2, np.maximum(down, right) < 0.85 * radius, down + right < 1.2 * radius)
    return masks[rng.integers(len(masks))]


def _square(quadrant: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Mask of most of one quadrant."""
    half = SIZE // 2
    side = int(rng.integers(12, half + 1))
    top, left = (half * place + int(rng.integers(0, half - side + 1)) for place in divmod(quadrant, 2))
    mask = np.zeros((SIZE, SIZE), dtype=bool)
    mask[top : top + side, left : left + side] = True
    return mask
