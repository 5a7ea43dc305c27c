"""Names of conditions, atoms, poolings and files, each spelled only here."""

import math
import re
import unicodedata
from typing import Final

from pid_lvlm.data.bounds import NAME
from pid_lvlm.data.errors import PidError

SCHEMA_VERSION: Final = 5
"""Version of the run-folder contract. Increment it when an array or manifest field changes meaning."""

BOTH: Final = "both"
VISION_ONLY: Final = "vision_only"
LANGUAGE_ONLY: Final = "language_only"
NO_IMAGE: Final = "no_image"

NEITHER: Final = "neither"
"""Role of the conditions that ablate both sources; their names always include the ablation."""

CONDITIONS: Final = (BOTH, VISION_ONLY, LANGUAGE_ONLY, NO_IMAGE)
"""First entries of the condition axis. The first three define the decomposition; `no_image` is optional.

Others, such as `vision_only.mean`, follow: `pid_lvlm.data.contract.schema.conditions` parses their names.
"""
REQUIRED_CONDITIONS: Final = CONDITIONS[:3]

CROSSED_ARRAYS: Final = ("crossed_partner", "crossed_loglik")
"""Arrays of crossed pairs, in every shard of a run or in none."""

NOISE: Final = "noise"
MEAN: Final = "mean"
OTHER: Final = "other"
BLANK: Final = "blank"
ABLATIONS: Final = (NOISE, MEAN, OTHER, BLANK)
"""What replaces an ablated source: `noise` for the conditions without an ablation in their name."""

ROLES: Final = (VISION_ONLY, LANGUAGE_ONLY, NEITHER)
"""Which source a condition with an ablation keeps, in the order of a run's conditions."""

POOLINGS: Final = ("mean", "max", "last")
"""How a span of token embeddings becomes one feature vector."""

DEFAULT_POOLING: Final = POOLINGS[0]

DEFAULT_TAU: Final = 0.3
"""Minimum total probability of the options; below it a row counts as uniform, as in the paper."""

SOURCES: Final = ("vision", "language")
"""Source 1 and source 2, always in this order."""

ATOMS: Final = ("redundancy", "unique_vision", "unique_language", "synergy")
"""Order of the four atoms on any axis."""

NATS_PER_BIT: Final = math.log(2)

OPTION_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

MANIFEST_FILE: Final = "manifest.json"
NOISE_FILE: Final = "noise_stats.npz"
ITEMS_FILE: Final = "items.jsonl"
THUMBNAILS_FILE: Final = "thumbnails.zip"
ITEM_FILES: Final = (ITEMS_FILE, THUMBNAILS_FILE)
"""Files of the items that a run keeps, if any; the second only with the first."""


def shard_file(index: int) -> str:
    """File name of shard `index`, counted from 0."""
    return f"shard-{index:05d}.npz"


def feature_key(source: int, pooling: str) -> str:
    """Array name of the pooled features of source 1 (vision) or 2 (language)."""
    return f"x{source}_{pooling}"


class FileNameError(PidError):
    """A name is not a valid file name; the message is a sentence about the name."""


def file_name(name: str) -> str:
    """Check that an outside name can name one file or folder: the only way from a name to a path.

    Returns:
        The name itself.

    Raises:
        FileNameError: it would leave its folder, be hidden or too long, or cannot be typed.

    Example:
        >>> file_name("llava-1.5-7b__mmbench")
        'llava-1.5-7b__mmbench'
        >>> file_name("../elsewhere")
        Traceback (most recent call last):
        pid_lvlm.data.names.FileNameError: '../elsewhere' cannot be the name of a file: it contains '/'
    """
    shown = repr(name if len(name) <= 60 else f"{name[:59]}…")
    reason = _no_file_name(name)
    if reason is not None:
        raise FileNameError(f"{shown} cannot be the name of a file: {reason}")
    return name


def _no_file_name(name: str) -> str | None:
    if not name.strip():
        return "it is empty"
    if odd := next((mark for mark in name if mark in "/\\" or unicodedata.category(mark) in UNTYPABLE), None):
        return f"it contains {odd!r}"
    if name.startswith("."):
        return "it starts with a dot"
    if name != name.strip():
        return "it starts or ends with a space"
    if (size := len(name.encode())) > NAME.most:
        return f"it has {size} bytes; at most {NAME.most} are possible"
    return None


UNTYPABLE: Final = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode control, format, surrogate, private and unassigned characters, and line separators."""


def by_number(name: str) -> list[tuple[int, str]]:
    """Natural sort key for names with numbers: `tune-15` comes before `tune-100`."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
