"""Finds the picture of a cell: a path, encoded bytes or base64 text."""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from pid_lvlm.data.command.shown import cut
from pid_lvlm.extract.datasets.answer_options import cell_text, list_in_text
from pid_lvlm.extract.datasets.errors import Reason, RowError

BASE64_MIN_LENGTH: Final = 64
"""Shorter texts are read as paths: the smallest useful PNG is longer in base64."""
PATH_MAX_LENGTH: Final = 4096
BLANKS: Final = re.compile(r"\s+")
ADDRESS: Final = re.compile(r"(https?|ftp|s3|gs|hf|file)://", re.IGNORECASE)


def picture_source(value: Any, folder: Path, patterns: Sequence[str] = ("{name}",)) -> Path | bytes:
    """Turn a cell of a dataset file into a path or encoded bytes.

    Args:
        value: a path (relative ones start at `folder`), bytes, base64 text, a `data:` URI, a mapping with `bytes` or
            `path` as the `datasets` library writes it, or a list of one of these.
        folder: where relative paths start.
        patterns: where pictures may be in `folder`; see `places`.

    Raises:
        RowError: the cell is empty, holds several pictures, or names a file that does not exist.
    """
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = list_in_text(value) or value
    if isinstance(value, list | tuple):
        if len(value) > 1:
            message = f"{len(value)} pictures; only items about one picture can be decomposed, leave this one out"
            raise RowError(Reason.SEVERAL_PICTURES, message)
        inner = value[0] if value else None
        if isinstance(inner, list | tuple):
            raise RowError(Reason.BAD_PICTURE, "the picture is a list in a list; expected a path, bytes or base64 text")
        return picture_source(inner, folder, patterns)
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    text = cell_text(value)
    if not text:
        message = "no picture: expected a path, bytes or base64 text"
        raise RowError(Reason.NO_PICTURE, message)
    if text[:5].casefold() == "data:":
        return _from_uri(text)
    if len(text) >= BASE64_MIN_LENGTH:
        found = _found(text, folder, patterns) if len(text) < PATH_MAX_LENGTH else None
        decoded = _from_base64(text) if found is None else None
        if decoded is not None:
            return decoded
    return _existing(text, folder, patterns)


def places(name: str, patterns: Sequence[str]) -> list[str]:
    """Possible paths of a picture called `name`.

    Args:
        name: as in the file, such as `COCO_val2014_000000310196.jpg`.
        patterns: with `{name}`; `{stem}`, without its ending; `{tail}`, the part after the last underscore;
            `{padded}`, the stem filled with zeros to twelve digits as COCO names its files.
    """
    stem = Path(name).stem
    names = {"name": name, "stem": stem, "tail": name.rpartition("_")[2], "padded": stem.zfill(12)}
    return list(dict.fromkeys(pattern.format(**names) for pattern in patterns))


def _found(name: str, folder: Path, patterns: Sequence[str]) -> Path | None:
    for place in places(name, patterns):
        path = folder / place
        try:
            if path.exists() and not path.is_dir():
                return path
        except (OSError, ValueError):  # too long for a file name, or impossible as one
            continue
    return None


def _existing(name: str, folder: Path, patterns: Sequence[str]) -> Path:
    if (path := _found(name, folder, patterns)) is not None:
        return path
    if ADDRESS.match(name):
        message = f"the picture is at `{cut(name)}`; nothing is downloaded: download it and give its path"
        raise RowError(Reason.NO_PICTURE, message)
    tried = places(name, patterns)
    where = (
        f"looked in `{cut(str((folder / name).parent), 200)}`"
        if len(tried) == 1
        else f"looked for {', '.join(map(cut, tried))} in `{cut(str(folder), 200)}`"
    )
    message = f"picture `{cut(name)}` does not exist ({where}); check the column or pass --images"
    raise RowError(Reason.NO_PICTURE, message)


def _from_uri(text: str) -> bytes:
    head, comma, content = text.partition(",")
    if comma and head.casefold().endswith(";base64") and (decoded := _from_base64(unquote(content))) is not None:
        return decoded
    message = f"the picture `{cut(text, 40)}` should be a data: URI with base64 text, such as data:image/png;base64,…"
    raise RowError(Reason.BAD_PICTURE, message)


def _from_base64(text: str) -> bytes | None:
    """Decode base64 text, also with line breaks, with the URL-safe alphabet, and without padding."""
    plain = BLANKS.sub("", text).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
