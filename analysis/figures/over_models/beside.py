"""Labels next to their points, placed to cover neither other points nor other labels."""

from dataclasses import dataclass
from typing import Final

import polars as pl

_LETTER, _LINE = 6.2, 12.0  # pixels, for an 11-pixel label
_GAP: Final = 8.0
_ROUND: Final = 5.0  # half the size of a point
_PALE: Final = 0.2  # penalty for a label that covers the dot of a model


@dataclass(frozen=True)
class Panel:
    """A panel whose axes start at 0: the columns and ends of its axes, and its size in pixels."""

    x: str
    y: str
    most_x: float
    most_y: float
    width: int
    height: int


@dataclass(frozen=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float
    weight: float = 1.0

    def overlap(self, other: "_Box") -> float:
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(wide, 0.0) * max(high, 0.0)


def beside(frame: pl.DataFrame, label: str, panel: Panel) -> pl.DataFrame:
    """The frame with `label_x` and `label_y`, the left end of each point's label in axis units.

    Labels are placed one by one, each at whichever of eight positions around its point covers least.

    Args:
        frame: the points of one panel; those whose `kind` is `model` get no label but should stay uncovered.
        label: the column with the label texts.
        panel: the panel.
    """
    points = [
        (panel.width * x / panel.most_x, panel.height * (1 - y / panel.most_y))
        for x, y in frame[panel.x, panel.y].rows()
    ]
    taken = [
        _Box(x - _ROUND, y - _ROUND, x + _ROUND, y + _ROUND, _PALE if kind == "model" else 1.0)
        for (x, y), kind in zip(points, frame["kind"], strict=True)
    ]
    places: list[tuple[float | None, float | None]] = []
    for (x, y), kind, text in zip(points, frame["kind"], frame[label], strict=True):
        if kind == "model":
            places.append((None, None))
            continue
        box = min(_around(x, y, _LETTER * len(text)), key=lambda each: _covered(each, taken, panel))
        taken.append(box)
        middle = (box.top + box.bottom) / 2
        left = min(max(box.left, 0.0), panel.width)
        places.append((left * panel.most_x / panel.width, min(max(1 - middle / panel.height, 0.0), 1.0) * panel.most_y))
    return frame.with_columns(
        label_x=pl.Series([x for x, _ in places], dtype=pl.Float64),
        label_y=pl.Series([y for _, y in places], dtype=pl.Float64),
    )


def _around(x: float, y: float, width: float) -> list[_Box]:
    """Right, left, above, below and the corners, in order of preference."""
    offsets = [(1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1)]
    boxes = []
    for across, down in offsets:
        left = {1: x + _GAP, -1: x - _GAP - width, 0: x - width / 2}[across]
        middle = y + down * (_GAP + _LINE / 2)
        boxes.append(_Box(left, middle - _LINE / 2, left + width, middle + _LINE / 2))
    return boxes


def _covered(box: _Box, taken: list[_Box], panel: Panel) -> float:
    inside = box.overlap(_Box(0, 0, panel.width, panel.height))
    outside = (box.right - box.left) * (box.bottom - box.top) - inside
    return 2 * outside + sum(other.weight * box.overlap(other) for other in taken)
