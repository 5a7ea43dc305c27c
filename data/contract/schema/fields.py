"""Types of manifest fields with their ranges, as checked by `pid_lvlm.data.inputs.schema`."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field

from pid_lvlm.data.bounds import COUNT, CROSSED, LABEL, LAYERS, OPTIONS, SAMPLES, WIDTH
from pid_lvlm.data.inputs.schema import shown
from pid_lvlm.data.names import ATOMS

BREAKING: Final = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode control characters, surrogates, and line and paragraph separators."""


def _on_one_line(text: str) -> str:
    if text.isprintable():  # most are, and this check is fast
        return text
    odd = next((mark for mark in text if unicodedata.category(mark) in BREAKING), None)
    if odd is not None:
        raise ValueError(f"should be text on one line without control characters, but has U+{ord(odd):04X}")
    return text


def _atoms(value: Mapping[str, float]) -> Mapping[str, float]:
    if set(value) != set(ATOMS):
        raise ValueError(f"should give bits for {', '.join(ATOMS)}")
    return value


ROW_COUNTS: Final = ("read", "chosen", "kept")
"""Keys of `dataset_rows`, in addition to `dropped`, which maps reasons to numbers of rows."""


def _row_counts(value: Any) -> Any:
    if value == {}:
        return value
    wanted = f"should give numbers of rows as {', '.join(ROW_COUNTS)} and `dropped`, a number for each reason"
    if not isinstance(value, Mapping) or set(value) != {*ROW_COUNTS, "dropped"}:
        raise ValueError(wanted)
    dropped = value["dropped"]
    if not isinstance(dropped, Mapping):
        raise ValueError(wanted)
    for count in (*(value[name] for name in ROW_COUNTS), *dropped.values()):
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= COUNT.most:
            raise ValueError(f"{wanted}; {shown(count)} is not one")
    return value


def _crossed(value: Any) -> Any:
    if value == {}:
        return value
    pairs, within = (value.get("pairs"), value.get("within")) if isinstance(value, Mapping) else (None, None)
    number = isinstance(pairs, int) and not isinstance(pairs, bool) and 2 <= pairs <= CROSSED.most
    if not number or not isinstance(within, str) or set(value) != {"pairs", "within"}:
        raise ValueError(
            f"should give `pairs`, an integer of 2 to {CROSSED.most} questions of a picture, and `within`, among which "
            f"items they are exchanged; found {shown(value)}"
        )
    return value


_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def _sha256(value: str) -> str:
    if not _SHA256.fullmatch(value):
        raise ValueError("should be a SHA-256 in 64 hexadecimal digits")
    return value


Label = Annotated[str, Field(min_length=1, max_length=LABEL.most), AfterValidator(_on_one_line)]
"""A name in tables and messages."""
Words = Mapping[Label, Annotated[str, Field(max_length=LABEL.most), AfterValidator(_on_one_line)]]
"""Names with a text for each."""
Layer = Annotated[int, Field(ge=0, le=LAYERS.most)]
Samples = Annotated[int, Field(ge=0, le=SAMPLES.most)]
Length = Annotated[int, Field(ge=1, le=SAMPLES.most)]
Options = Annotated[int, Field(ge=2, le=OPTIONS.most)]
Width = Annotated[int, Field(ge=1, le=WIDTH.most)]
Count = Annotated[int, Field(ge=0, le=COUNT.most)]
Integer = Annotated[int, Field(ge=-COUNT.most, le=COUNT.most)]
Amount = Annotated[float, Field(ge=0, le=1e9)]
"""A size in billions of parameters."""
Bits = Annotated[float, Field(ge=-1000, le=1000)]
Atoms = Annotated[Mapping[str, Bits], AfterValidator(_atoms)]
"""The four atoms in bits."""
RowCounts = Annotated[Mapping[str, Any], BeforeValidator(_row_counts)]
"""What happened to the rows of a file; empty if unknown."""
Crossed = Annotated[Mapping[str, Any], BeforeValidator(_crossed)]
"""How pictures and questions were crossed; empty if they were not."""
Checksums = Mapping[Label, Annotated[str, AfterValidator(_sha256)]]
"""File -> SHA-256 of its bytes."""
