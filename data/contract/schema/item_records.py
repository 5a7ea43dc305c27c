"""What a run keeps of its items, as it is written: a line of JSON for each item, and a zip file of small pictures."""

import json
import re
import zipfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Annotated, BinaryIO, Final

from pydantic import Field

from pid_lvlm.data.bounds import CELL, ITEM_LINE, OPTIONS, THUMBNAILS
from pid_lvlm.data.inputs.schema import STRICT, SchemaError, checked
from pid_lvlm.data.inputs.text import TextError, parse_json

SIGNATURES: Final = {"jpg": b"\xff\xd8\xff", "png": b"\x89PNG\r\n\x1a\n"}
"""Ending of a thumbnail's name -> how its bytes begin."""
NUMBERED: Final = re.compile(rf"([0-9]{{6,7}})\.({'|'.join(SIGNATURES)})")
"""Name of a thumbnail: its picture's number, and what it is."""
SAME_DATE: Final = (1980, 1, 1, 0, 0, 0)
"""Of every entry of the zip file, so that nothing in it depends on when it was written."""


@dataclass(frozen=True)
class ItemRecord:
    """One line of `items.jsonl`.

    Attributes:
        sample_id: as in the shards.
        question: its text.
        options: texts of the options.
        label: index of the right option, -1 where it is unknown.
        hint: text before the question, or "".
        picture: number of the item's picture in this run, from 0; items with the same picture have the same number.
            None without a picture.
    """

    __pydantic_config__ = STRICT

    sample_id: Annotated[str, Field(min_length=1, max_length=CELL.most)]
    question: str
    options: Annotated[tuple[str, ...], Field(min_length=2, max_length=OPTIONS.most)]
    label: Annotated[int, Field(ge=-1)] = -1
    hint: str = ""
    picture: Annotated[int, Field(ge=0, lt=THUMBNAILS.most)] | None = None

    def line(self) -> bytes:
        """The record as it stands in the file, with its line feed."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


class RecordError(TextError):
    """A line is not that of an item; the message is a clause."""


def parse_line(line: bytes) -> dict[str, object]:
    """The mapping in a line, unchecked.

    Raises:
        RecordError: it is too long, or not an object of JSON with a sample id.
    """
    if len(line) > ITEM_LINE.most:
        raise RecordError(f"has more than {ITEM_LINE}")
    try:
        raw = parse_json(line.decode())
    except UnicodeDecodeError as error:
        raise RecordError(f"is not UTF-8 text ({error.reason})") from None
    except TextError as error:
        raise RecordError(str(error)) from None
    if not isinstance(raw, dict) or not isinstance(raw.get("sample_id"), str):
        raise RecordError("is not an object of JSON with a `sample_id`")
    return raw


def check_record(raw: dict[str, object]) -> ItemRecord:
    """The item of a line.

    Raises:
        RecordError: a field is missing, unknown, or of a value that cannot be.
    """
    try:
        record = checked(ItemRecord, raw)
    except SchemaError as error:
        raise RecordError(str(error)) from None
    if record.label >= len(record.options):
        raise RecordError(f"`label` should be an option of the item or -1, found {record.label}")
    return record


def picture_kind(content: bytes) -> str | None:
    """Ending for the name of a picture's file, from how its bytes begin; None if it is neither JPEG nor PNG."""
    return next((kind for kind, signature in SIGNATURES.items() if content.startswith(signature)), None)


def write_records(file: BinaryIO, records: Iterable[ItemRecord]) -> None:
    """Write `items.jsonl`."""
    file.writelines(record.line() for record in records)


def write_thumbnails(file: BinaryIO, pictures: Iterable[bytes]) -> None:
    """Write `thumbnails.zip`, uncompressed: equal pictures give equal bytes.

    Args:
        file: an empty file.
        pictures: encoded as JPEG or PNG, in the order of their numbers.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for number, content in enumerate(pictures):
            entry = zipfile.ZipInfo(f"{number:06d}.{picture_kind(content)}", SAME_DATE)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # whatever the operating system
            archive.writestr(entry, content)
