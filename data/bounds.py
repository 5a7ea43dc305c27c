"""The largest things that are read, allocated or written: one table, which the docs print.

A bound keeps a number in a file or an option from becoming memory or time before anything is known to be right.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Bound:
    """One bound.

    Attributes:
        most: the largest value that is accepted.
        unit: what is counted.
        what: whose size it is, a phrase.
        option: how a user raises it, where a real one may need to.
    """

    most: int
    unit: str
    what: str
    option: str = ""

    def __str__(self) -> str:
        return f"{self.most:,} {self.unit}" + (f" ({self.option} raises it)" if self.option else "")


# Texts and names.
TEXT_FILE: Final = Bound(16 * 2**20, "bytes", "a manifest, card, sweep or settings file")
NESTING: Final = Bound(64, "levels", "lists and objects inside each other, in JSON and TOML")
NAME: Final = Bound(200, "bytes", "a name that becomes a file name")
TEXT: Final = Bound(100_000, "characters", "a text in a manifest, card, sweep or settings file")

# Run folders.
SAMPLES: Final = Bound(100_000_000, "samples", "a run")
LAYERS: Final = Bound(10_000, "layers", "a model")
OPTIONS: Final = Bound(10_000, "options", "an item")
WIDTH: Final = Bound(1_000_000, "numbers", "an embedding")

# Datasets and pictures.

# Models.

# Estimates.

# Reports.
LABEL: Final = Bound(120, "characters", "a name in a figure or on the page of a report; tables have all of it")
FIGURE_FITS: Final = Bound(2_500, "fits", "a figure of a report")
FIGURE_MODELS: Final = Bound(100, "models", "a figure of a report")
FIGURE_DATASETS: Final = Bound(24, "datasets", "a figure of a report")
FIGURE_POINTS: Final = Bound(400, "points", "a curve in a figure of a report, which is less than 400 pixels wide")
PAGE_ROWS: Final = Bound(240, "rows", "a table on the page of a report; its file has all of them")
PAGE_TEXT: Final = Bound(4_000, "characters", "a text on the page of a report")
PAGE_LISTED: Final = Bound(40, "entries", "a list on the page of a report, such as its recipes")

BOUNDS: Final = {name: value for name, value in sorted(globals().items()) if isinstance(value, Bound)}
"""Every bound by name, for the docs."""
