"""Items kept in a run folder: what was asked, and a small picture, for readers who have only the folder."""

import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pid_lvlm.data.bounds import ITEM_LINE, THUMBNAIL, THUMBNAILS
from pid_lvlm.data.command.shown import count, shown
from pid_lvlm.data.contract.reading.row_faults import MAX_ROWS_PER_RULE
from pid_lvlm.data.contract.reading.validate import ADVICE, changed
from pid_lvlm.data.contract.reading.zip_file import ZipError, open_zip, regular_file
from pid_lvlm.data.contract.schema.item_records import (
    NUMBERED,
    SIGNATURES,
    ItemRecord,
    RecordError,
    check_record,
    parse_line,
)
from pid_lvlm.data.contract.schema.manifest import Manifest, read_manifest
from pid_lvlm.data.errors import ContractError, Fault
from pid_lvlm.data.names import ITEMS_FILE, THUMBNAILS_FILE

UNREADABLE: Final = f"{{}}; {ADVICE}"


@dataclass(frozen=True)
class KeptItem:
    """An item as kept in its run folder.

    Attributes:
        sample_id: as in the run's arrays and in the tables of single items.
        question: its text.
        options: texts of the options, in the order of the run's option axis.
        label: index of the right option, -1 if unknown.
        thumbnail: a small JPEG or PNG of the picture; None if it was not kept.
        hint: text before the question, or "".
    """

    sample_id: str
    question: str
    options: tuple[str, ...]
    label: int
    thumbnail: bytes | None
    hint: str = ""


def read_items(folder: str | Path, ids: Collection[str] | None = None) -> dict[str, KeptItem]:
    """Items kept in a run folder, by `sample_id`, in the run's order. Reads nothing else of the run.

    Args:
        folder: the run folder, finished or not.
        ids: the items to read, by default all; ids that the run does not have are ignored.

    Returns:
        The items; empty if the run kept none.

    Raises:
        ContractError: the manifest is invalid, or the kept items are missing or damaged.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from pid_lvlm import data
        >>> folder = data.write_run(
        ...     tempfile.mkdtemp(), model="mine", dataset="toy", loglik=np.log(np.full((2, 3, 2), 0.5)),
        ...     x1=np.eye(2), x2=np.eye(2), questions=["red?", "blue?"], options=[["yes", "no"]] * 2, label=[0, 1])
        >>> data.read_items(folder, {"1"})["1"].question
        'blue?'
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if ITEMS_FILE not in manifest.checksums:
        return {}
    if (fault := changed(folder, ITEMS_FILE, manifest)) is not None:
        raise ContractError(str(folder), [fault])
    records, faults = _records(folder, manifest, None if ids is None else frozenset(ids))
    if faults:
        raise ContractError(str(folder), faults)
    thumbnails: dict[int, bytes] = {}
    if THUMBNAILS_FILE in manifest.checksums:
        wanted = {record.picture for record in records if record.picture is not None}
        if faults := _thumbnail_faults(folder, wanted, thumbnails.__setitem__):
            raise ContractError(str(folder), faults)
    return {record.sample_id: _kept(record, thumbnails) for record in records}


def _kept(record: ItemRecord, thumbnails: dict[int, bytes]) -> KeptItem:
    thumbnail = None if record.picture is None else thumbnails.get(record.picture)
    return KeptItem(record.sample_id, record.question, record.options, record.label, thumbnail, record.hint)


def kept_files_faults(folder: Path, manifest: Manifest, ids: Sequence[str], labels: Sequence[int]) -> list[Fault]:
    """All faults in the items that a run keeps.

    Args:
        folder: the run folder.
        manifest: its manifest.
        ids: sample ids of the run, in its order.
        labels: right options, as the shards have them.
    """
    names = [name for name in (ITEMS_FILE, THUMBNAILS_FILE) if name in manifest.checksums]
    if broken := [fault for name in names if (fault := changed(folder, name, manifest)) is not None]:
        return broken
    if not names:
        return []
    records, faults = _records(folder, manifest, None)
    if faults:
        return faults
    for row, (record, sample, label) in enumerate(zip(records, ids, labels, strict=True)):
        if record.sample_id != sample:
            message = f"is about {shown(record.sample_id)}, but the shards have {shown(sample)} there"
            faults.append(Fault(ITEMS_FILE, message, row=row))
        elif record.label != label:
            faults.append(Fault(ITEMS_FILE, f"has `label` {record.label}, but the shards have {label}", row=row))
    faults = faults[:MAX_ROWS_PER_RULE]
    if THUMBNAILS_FILE in names:
        wanted = {record.picture for record in records if record.picture is not None}
        faults += _thumbnail_faults(folder, wanted, lambda _number, _content: None)
    return faults


def _lines(folder: Path) -> Iterator[bytes]:
    with regular_file(folder / ITEMS_FILE) as file:
        while line := file.readline(ITEM_LINE.most + 1):
            yield line


def _records(folder: Path, manifest: Manifest, ids: frozenset[str] | None) -> tuple[list[ItemRecord], list[Fault]]:
    """The records of these samples, by default all, in the run's order, and the faults in them or the file."""
    records: list[ItemRecord] = []
    faults: list[Fault] = []
    seen: set[str] = set()
    rows = 0
    try:
        for row, line in enumerate(_lines(folder)):
            rows = row + 1
            if rows > manifest.num_samples or len(faults) == MAX_ROWS_PER_RULE:
                break
            try:
                raw = parse_line(line)
                sample = str(raw["sample_id"])
                if sample in seen:
                    raise RecordError(f"is about {shown(sample)} again")
                seen.add(sample)
                if ids is None or sample in ids:
                    records.append(check_record(raw))
            except RecordError as error:
                faults.append(Fault(ITEMS_FILE, UNREADABLE.format(error), row=row))
    except OSError as error:
        return [], [Fault(ITEMS_FILE, UNREADABLE.format(f"cannot be read ({error.strerror or error})"))]
    if not faults and rows != manifest.num_samples:
        found = (
            f"more than {count(manifest.num_samples, 'line')}" if rows > manifest.num_samples else count(rows, "line")
        )
        expected = f"the run has {count(manifest.num_samples, 'sample')}"
        faults.append(Fault(ITEMS_FILE, UNREADABLE.format(f"has {found}, but {expected}")))
    return records, faults


def _thumbnail_faults(folder: Path, wanted: Collection[int], take: Callable[[int, bytes], object]) -> list[Fault]:
    """Faults in these thumbnails or their file; `take` gets the number and bytes of each."""
    try:
        with open_zip(folder / THUMBNAILS_FILE, THUMBNAILS) as archive:
            entries = _entries(archive)
            for number in sorted(wanted):
                if number not in entries:
                    raise ZipError(f"lacks picture {number}")
                take(number, _content(archive, entries[number]))
    except FileNotFoundError:
        return [Fault(THUMBNAILS_FILE, UNREADABLE.format("missing"))]
    except ZipError as error:
        return [Fault(THUMBNAILS_FILE, UNREADABLE.format(error))]
    return []


def _entries(archive: zipfile.ZipFile) -> dict[int, zipfile.ZipInfo]:
    entries: dict[int, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        named = NUMBERED.fullmatch(info.filename)
        if named is None:
            raise ZipError(f"has an entry {shown(info.filename)}, which is not that of a thumbnail")
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise ZipError("is compressed; thumbnails are stored as they are")
        if info.file_size > THUMBNAIL.most:
            raise ZipError(f"has a thumbnail of {info.file_size:,} bytes; at most {THUMBNAIL}")
        if int(named[1]) in entries:
            raise ZipError(f"has picture {int(named[1])} twice")
        entries[int(named[1])] = info
    return entries


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    content = archive.read(info)
    if not content.startswith(SIGNATURES[info.filename.rpartition(".")[2]]):
        raise ZipError(f"has bytes in `{info.filename}` that are not such a picture")
    return content
