"""Names of conditions, atoms, poolings and files, each spelled here only."""

import math
import re
from typing import Final

SCHEMA_VERSION: Final = 2
"""Version of the run-folder contract. Raise it when an array or manifest field changes meaning."""

BOTH: Final = "both"
VISION_ONLY: Final = "vision_only"
LANGUAGE_ONLY: Final = "language_only"
NO_IMAGE: Final = "no_image"

CONDITIONS: Final = (BOTH, VISION_ONLY, LANGUAGE_ONLY, NO_IMAGE)
"""Order of the condition axis. The first three define the decomposition; `no_image` may be left out."""
REQUIRED_CONDITIONS: Final = CONDITIONS[:3]

POOLINGS: Final = ("mean", "max", "last")
"""How a span of token embeddings becomes one feature vector."""

SOURCES: Final = ("vision", "language")
"""Source 1 and source 2, always in this order."""

ATOMS: Final = ("redundancy", "unique_vision", "unique_language", "synergy")
"""Order of the four atoms wherever they form an axis."""

NATS_PER_BIT: Final = math.log(2)

OPTION_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

MANIFEST_FILE: Final = "manifest.json"
NOISE_FILE: Final = "noise_stats.npz"


def shard_file(index: int) -> str:
    """File name of shard number `index`, counted from 0."""
    return f"shard-{index:05d}.npz"


def feature_key(source: int, pooling: str) -> str:
    """Array name of the pooled features of source 1 (vision) or 2 (language)."""
    return f"x{source}_{pooling}"


def by_number(name: str) -> list[tuple[int, str]]:
    """Sort key of names with numbers in them: `tune-15` comes before `tune-100`."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
