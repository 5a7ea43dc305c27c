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
SEEDS: Final = Bound(10_000, "seeds", "a problem")
FIT_SEED: Final = Bound(2**32 - 1, "", "a seed, which has 32 bits")
FIT_STEPS: Final = Bound(1_000_000, "", "epochs, Sinkhorn sweeps, or rows of a batch")
NETWORK_WIDTH: Final = Bound(65_536, "numbers", "a layer of the estimator's networks")
NETWORK_LAYERS: Final = Bound(100, "layers", "the estimator's networks")
DEVICES: Final = Bound(1_024, "devices", "a process")
PROCESSES: Final = Bound(100_000, "processes", "an estimate, and the parts of one")
MEMORY: Final = Bound(10**15, "bytes", "a memory budget")

# Result tables.
RESULT_FILE: Final = Bound(4 * 2**30, "bytes", "a result table")
RESULT_ROWS: Final = Bound(5_000_000, "rows", "a result table")
RESULT_COLUMNS: Final = Bound(500, "columns", "a result table")
RESULT_TEXT: Final = Bound(4_096, "characters", "a name in a result table")

# Reports.

BOUNDS: Final = {name: value for name, value in sorted(globals().items()) if isinstance(value, Bound)}
"""Every bound by name, for the docs."""
