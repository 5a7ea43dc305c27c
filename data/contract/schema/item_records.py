"""File format of the items that a run keeps: a line of JSON for each item, and a zip file of thumbnails."""

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
"""File extension of a thumbnail -> its first bytes."""
NUMBERED: Final = re.compile(rf"([0-9]{{6,7}})\.({'|'.join(SIGNATURES)})")
"""Name of a thumbnail: its picture's number and format."""
SAME_DATE: Final = (1980, 1, 1, 0, 0, 0)
"""Date of every zip entry, so that the file does not depend on when it was written."""


@dataclass(frozen=True)
class ItemRecord:
    """One line of `items.jsonl`.

    Attributes:
        sample_id: as in the shards.
        question: its text.
        options: texts of the options.
        label: index of the right option, -1 if unknown.
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
        """The record as written to the file, with its line feed."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


class RecordError(TextError):
    """A line is not a valid item; the message is a clause."""


def parse_line(line: bytes) -> dict[str, object]:
    """Parse a line as a mapping, without checking its values.

    Raises:
        RecordError: it is too long, or not a JSON object with a sample id.
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
        raise RecordError("is not a JSON object with a `sample_id`")
    return raw


def check_record(raw: dict[str, object]) -> ItemRecord:
    """Parse a line as an item.

    Raises:
        RecordError: a field is missing or unknown, or has an invalid value.
    """
    try:
        record = checked(ItemRecord, raw)
    except SchemaError as error:
        raise RecordError(str(error)) from None
    if record.label >= len(record.options):
        raise RecordError(f"`label` should be an option of the item or -1, found {record.label}")
    return record


def picture_kind(content: bytes) -> str | None:
    """File extension for a picture, from its first bytes; None if it is neither JPEG nor PNG."""
    return next((kind for kind, signature in SIGNATURES.items() if content.startswith(signature)), None)


def write_records(file: BinaryIO, records: Iterable[ItemRecord]) -> None:
    """Write `items.jsonl`."""
    file.writelines(record.line() for record in records)


def write_thumbnails(file: BinaryIO, pictures: Iterable[bytes]) -> None:
    """Write `thumbnails.zip`, uncompressed: the same pictures give the same bytes.

    Args:
        file: an empty file.
        pictures: JPEG or PNG bytes, in the order of their numbers.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for number, content in enumerate(pictures):
            entry = zipfile.ZipInfo(f"{number:06d}.{picture_kind(content)}", SAME_DATE)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # whatever the operating system
            archive.writestr(entry, content)
