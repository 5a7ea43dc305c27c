"""Reads files of rows (jsonl, json, csv, tsv, parquet) as mappings, with a sentence for every kind of damage."""

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pid_lvlm.data.bounds import ROWS
from pid_lvlm.data.command.shown import backticked, cut, shown
from pid_lvlm.data.command.suggest import suggestion
from pid_lvlm.data.errors import Fault
from pid_lvlm.data.inputs.paths import open_regular
from pid_lvlm.data.inputs.tables import TableError, read_csv, read_parquet
from pid_lvlm.data.inputs.text import TextError, parse_json
from pid_lvlm.extract.datasets.errors import DatasetError

Row = dict[str, Any]
Reader = Callable[[Path, bytes], list[Row]]
"""Reads rows from the bytes of a file; the path is for messages."""

SEPARATORS: Final = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
REPEATED: Final = re.compile(r"(.+)_duplicated_\d+")
"""How polars renames a column whose name occurs twice."""
BYTE_ORDER_MARK: Final = "\ufeff"
LONE_RETURN: Final = re.compile(r"\r(?!\n)")
LINE_ENDS: Final = "some of its lines end in a carriage return only; save it with line feeds"
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
"""Characters that no name may contain."""


@dataclass(frozen=True)
class Content:
    """Rows of a file, and the SHA-256 of its bytes."""

    rows: list[Row]
    sha256: str


def read_file(path: Path) -> Content:
    """Rows of one file, and the hash of its bytes.

    Raises:
        DatasetError: its kind is unknown, or it cannot be read as the kind its name says.
    """
    kind = path.suffix.lower()
    if kind not in READERS:
        ending = f"unknown kind `{cut(kind)}`" if kind else "its name has no extension that says what it is"
        raise file_error(path, f"{ending}; {suggestion(kind, READERS)}")
    try:
        with open_regular(path) as file:
            content = file.read()
    except OSError as error:
        raise file_error(path, f"cannot be read ({error.strerror or error})") from None
    rows = READERS[kind](path, content)
    if len(rows) > ROWS.most:
        raise file_error(path, f"has {len(rows):,} rows; at most {ROWS} are read: split it")
    _check_names(path, rows)
    return Content(rows, hashlib.sha256(content).hexdigest())


def file_error(source: Path, message: str) -> DatasetError:
    """An error about a whole file."""
    return DatasetError(str(source), [Fault(cut(source.name or str(source)), message)])


def _check_names(path: Path, rows: Sequence[Row]) -> None:
    """Check column names, which people type and messages print."""
    names = dict.fromkeys(name for row in rows for name in row)
    for name in names:
        if (mark := CONTROL.search(name)) is not None and name.strip() == name:
            raise file_error(path, f"the column name {shown(name)} contains {mark[0]!r}; remove it from the header")


def _text(path: Path, content: bytes) -> str:
    """The file's text; line ends are kept, byte order marks are removed."""
    try:
        text = content.decode("utf-8-sig").lstrip(BYTE_ORDER_MARK)
    except UnicodeDecodeError as error:
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise file_error(path, "is UTF-16; expected UTF-8: save it as UTF-8") from None
        line = content.count(b"\n", 0, error.start) + 1
        message = f"line {line} contains byte 0x{content[error.start]:02x}, which is not UTF-8; save the file as UTF-8"
        raise file_error(path, message) from None
    if (zero := text.find("\0")) >= 0:
        line = text.count("\n", 0, zero) + 1
        raise file_error(path, f"line {line} contains a zero byte, so it is not text; save the file as UTF-8")
    return text


def _read_json(path: Path, content: bytes) -> list[Row]:
    """A JSON list, or JSON Lines in a file with that extension (as in POPE)."""
    text = _text(path, content)
    if not text.lstrip().startswith("["):
        rows = _json_rows(path, text)
        inside = [name for name, value in rows[0].items() if isinstance(value, list)] if len(rows) == 1 else []
        if len(rows) == 1 and len(inside) == len(rows[0]):
            message = f"the items are under {backticked(inside)}; expected a list of them"
            raise file_error(path, f"{message} at the top of the file")
        return rows
    try:
        found = parse_json(text)
    except TextError as error:
        raise file_error(path, f"{error}; is it whole?") from None
    if not all(isinstance(row, dict) for row in found):
        raise file_error(path, "expected a list of JSON objects with named fields")
    return list(found)


def _read_jsonl(path: Path, content: bytes) -> list[Row]:
    return _json_rows(path, _text(path, content))


def _json_rows(path: Path, text: str) -> list[Row]:
    rows = []
    faults = []
    lines = (line for line in text.split("\n") if line.strip())
    for number, line in enumerate(lines, start=1):
        try:
            row = parse_json(line)
        except TextError as error:
            faults.append(Fault(path.name, str(error), row=number))
            continue
        if isinstance(row, dict):
            rows.append(row)
        else:
            faults.append(Fault(path.name, "expected a JSON object with named fields", row=number))
    if len(faults) > 1 and not rows:
        raise file_error(path, f"none of its lines is a JSON object; the first, row 1: {faults[0].message}")
    if faults:
        raise DatasetError(str(path), faults)
    return rows


def _read_separated(separator: str) -> Reader:
    def read(path: Path, content: bytes) -> list[Row]:
        text = _text(path, content)
        try:
            frame = read_csv(text.encode(), separator)
        except TableError as error:
            raise _separated_error(path, text, separator, str(error)) from None
        if not frame.width:
            return []
        if LONE_RETURN.search(text):
            _check_line_ends(path, text, separator, frame.height)
        _check_header(path, frame.columns, separator)
        if frame.is_empty():
            raise file_error(path, "it has a header but no rows; expected at least one item")
        rows: list[Row] = frame.to_dicts()
        return rows

    return read


def _separated_error(path: Path, text: str, separator: str, reason: str) -> DatasetError:
    """Why polars could not read it, as far as a second look can tell."""
    if LONE_RETURN.search(text):
        return file_error(path, LINE_ENDS)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    previous = csv.field_size_limit(2**31 - 1)
    try:
        header = next(lines, [])
        for fields in lines:
            if len(fields) > len(header):
                message = f"the row that ends in line {lines.line_num} has {len(fields)} fields, and the header "
                return file_error(path, f"{message}{len(header)}; put texts with {SEPARATORS[separator]} in quotes")
    except csv.Error:
        pass
    finally:
        csv.field_size_limit(previous)
    advice = 'a text with a quotation mark must be in quotation marks, with "" for each'
    return file_error(path, f"cannot be read ({reason}); {advice}")


def _check_header(path: Path, columns: Iterable[str], separator: str) -> None:
    columns = list(columns)
    found = max(SEPARATORS, key=lambda mark: columns[0].count(mark))
    if len(columns) == 1 and columns[0].count(found) > 1:
        message = f"its columns are separated by {SEPARATORS[found]}; expected {SEPARATORS[separator]} in a "
        advice = {"\t": "rename it to .tsv", ",": "rename it to .csv"}.get(found, "save it as a .csv with commas")
        raise file_error(path, f"{message}{path.suffix} file: {advice}")
    names = [match[1] for name in columns if (match := REPEATED.fullmatch(name)) and match[1] in columns]
    if names:
        raise file_error(path, f"the column {backticked(names[:1])} occurs twice; rename one")


def _check_line_ends(path: Path, text: str, separator: str, rows: int) -> None:
    """Check for a lone carriage return, which ends a line for some programs but not for polars."""
    if "\n" not in text:
        raise file_error(path, "its lines end in a carriage return only; save it with line feeds")
    previous = csv.field_size_limit(2**31 - 1)
    try:
        found = sum(1 for fields in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if fields) - 1
    except csv.Error:
        found = -1
    finally:
        csv.field_size_limit(previous)
    if found != rows:
        raise file_error(path, LINE_ENDS)


def _read_parquet(path: Path, content: bytes) -> list[Row]:
    try:
        rows: list[Row] = read_parquet(content).to_dicts()
    except TableError as error:
        raise file_error(path, f"cannot be read as parquet: {error}") from None
    return rows


READERS: Final[dict[str, Reader]] = {
    ".jsonl": _read_jsonl,
    ".json": _read_json,
    ".csv": _read_separated(","),
    ".tsv": _read_separated("\t"),
    ".parquet": _read_parquet,
}
