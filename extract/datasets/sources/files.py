"""Files of rows (jsonl, json, csv, tsv, parquet) as mappings, and a sentence for every way in which one is damaged."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from pid_lvlm.data.command.suggest import suggestion
from pid_lvlm.data.errors import Fault
from pid_lvlm.extract.datasets.errors import DatasetError

Row = dict[str, Any]

SEPARATORS: Final = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
REPEATED: Final = re.compile(r"(.+)_duplicated_\d+")
"""How polars renames a column whose name occurs twice."""
PARQUET_MARK: Final = b"PAR1"


def read_file(path: Path) -> list[Row]:
    """Rows of one file.

    Raises:
        DatasetError: its kind is unknown, or it cannot be read as what its name says.
    """
    kind = path.suffix.lower()
    if kind not in READERS:
        named = f"unknown kind `{kind}`" if kind else "its name has no ending that says what it is"
        raise file_error(path, f"{named}; {suggestion(kind, READERS)}")
    try:
        return READERS[kind](path)
    except OSError as error:
        raise file_error(path, f"cannot be read ({error.strerror or error})") from None


def file_error(source: Path, message: str) -> DatasetError:
    """An error about a whole file."""
    return DatasetError(str(source), [Fault(source.name, message)])


def _text(path: Path) -> str:
    """The file's text; line ends are kept."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise file_error(path, "is UTF-16; expected UTF-8: save it as UTF-8") from None
        line = content.count(b"\n", 0, error.start) + 1
        message = f"line {line} contains byte 0x{content[error.start]:02x}, which is not UTF-8; save the file as UTF-8"
        raise file_error(path, message) from None


def _read_json(path: Path) -> list[Row]:
    """A JSON list, or JSON Lines under that name (as POPE's files are)."""
    text = _text(path)
    if not text.lstrip().startswith("["):
        rows = _json_rows(path, text)
        inside = [name for name, value in rows[0].items() if isinstance(value, list)] if len(rows) == 1 else []
        if len(rows) == 1 and len(inside) == len(rows[0]):
            message = f"the items are under {', '.join(f'`{name}`' for name in inside)}; expected a list of them"
            raise file_error(path, f"{message} at the top of the file")
        return rows
    try:
        found = json.loads(text)
    except ValueError as error:
        raise file_error(path, f"is not JSON ({error}); is it whole?") from None
    if not all(isinstance(row, dict) for row in found):
        raise file_error(path, "expected a list of JSON objects with named fields")
    return list(found)


def _read_jsonl(path: Path) -> list[Row]:
    return _json_rows(path, _text(path))


def _json_rows(path: Path, text: str) -> list[Row]:
    rows = []
    faults = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            faults.append(Fault(path.name, f"is not JSON ({error})", row=number))
            continue
        if isinstance(row, dict):
            rows.append(row)
        else:
            faults.append(Fault(path.name, "expected a JSON object with named fields", row=number))
    if len(faults) > 1 and not rows:
        raise file_error(path, f"no line of it is a JSON object; the first, {str(faults[0]).partition(', ')[2]}")
    if faults:
        raise DatasetError(str(path), faults)
    return rows


def _read_separated(separator: str) -> Callable[[Path], list[Row]]:
    def read(path: Path) -> list[Row]:
        import polars as pl

        try:
            # No type is guessed: `None`, `NA` and `nan` are words in such files, and may be the text of an option.
            frame = pl.read_csv(path, separator=separator, infer_schema=False)
        except pl.exceptions.NoDataError:
            return []
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _separated_error(path, separator, str(error).partition("\n")[0]) from None
        if frame.is_empty() and (odd := _line_ends(path)):
            raise file_error(path, odd)
        _check_header(path, frame.columns, separator)
        if frame.is_empty():
            raise file_error(path, "it has a header and no row; expected at least one item")
        rows: list[Row] = frame.to_dicts()
        return rows

    return read


def _separated_error(path: Path, separator: str, reason: str) -> DatasetError:
    """Why polars could not read it, as far as a second look tells."""
    lines = csv.reader(io.StringIO(_text(path), newline=""), delimiter=separator)
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
        raise file_error(path, f"the column `{names[0]}` occurs twice; rename one")


def _line_ends(path: Path) -> str | None:
    text = path.read_bytes()
    lonely = b"\r" in text and b"\n" not in text
    return "its lines end in a carriage return only; save it with line feeds" if lonely else None


def _read_parquet(path: Path) -> list[Row]:
    import polars as pl

    with path.open("rb") as file:
        start = file.read(len(PARQUET_MARK))
        size = file.seek(0, 2)
        file.seek(max(0, size - len(PARQUET_MARK)))
        end = file.read()
    if not size:
        return []
    if start != PARQUET_MARK:
        raise file_error(path, "cannot be read: it is not a parquet file, whatever its name says; download it again")
    if end != PARQUET_MARK:
        raise file_error(path, f"cannot be read: it is cut short, after {size} bytes; download it again")
    try:
        rows: list[Row] = pl.read_parquet(path).to_dicts()
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise file_error(path, f"cannot be read as parquet ({reason}); download it again") from None
    return rows


READERS: Final[dict[str, Callable[[Path], list[Row]]]] = {
    ".jsonl": _read_jsonl,
    ".json": _read_json,
    ".csv": _read_separated(","),
    ".tsv": _read_separated("\t"),
    ".parquet": _read_parquet,
}
