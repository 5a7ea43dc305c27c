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
MODEL_FILE: Final = Bound(64 * 2**20, "bytes", "a JSON file of a checkpoint")
BLOCKS: Final = Bound(1_000, "blocks", "a part of a checkpoint")
HEADS: Final = Bound(10_000, "heads", "a block of a checkpoint")
EXPERTS: Final = Bound(10_000, "experts", "a block of a checkpoint")
VOCABULARY: Final = Bound(10_000_000, "tokens", "the vocabulary of a checkpoint")
POSITIONS: Final = Bound(1_000_000_000, "positions", "the context of a checkpoint")
PICTURE_SIDE: Final = Bound(8_192, "pixels", "a side of the picture that a model or its processor makes")
PICTURE_TOKENS: Final = Bound(1_000_000, "tokens", "a picture, as a processor's file gives it")
RANK: Final = Bound(4_096, "dimensions", "the change that a PEFT checkpoint makes to a matrix")
TEMPLATE_TEXT: Final = Bound(10_000_000, "characters", "a prompt that a chat template writes")
TEMPLATE_SECONDS: Final = Bound(3, "seconds", "the processor time that a chat template takes for a prompt")

# Estimates.

# Reports.

BOUNDS: Final = {name: value for name, value in sorted(globals().items()) if isinstance(value, Bound)}
"""Every bound by name, for the docs."""
