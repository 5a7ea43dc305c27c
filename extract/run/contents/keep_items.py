"""Creates, repairs or removes the kept items of a run folder to match `--keep-items`, without measuring anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, Final

from pid_lvlm.data.bounds import TEXT
from pid_lvlm.data.command.shown import backticked, count
from pid_lvlm.data.contract.reading.validate import changed
from pid_lvlm.data.contract.schema.item_records import ItemRecord, write_records, write_thumbnails
from pid_lvlm.data.errors import Fault
from pid_lvlm.data.names import ITEM_FILES, ITEMS_FILE, THUMBNAILS_FILE
from pid_lvlm.extract.config import KEEP_NONE, KEEP_PICTURES, KEEP_TEXT, ExtractionConfig
from pid_lvlm.extract.datasets.errors import DatasetError, RowError
from pid_lvlm.extract.datasets.item import Dataset, Item
from pid_lvlm.extract.datasets.thumbnails import distinct_pictures, thumbnail
from pid_lvlm.extract.run.contents.run_folder import RunFolder
from pid_lvlm.extract.run.progress import Reporter

FILES: Final = {KEEP_NONE: (), KEEP_TEXT: (ITEMS_FILE,), KEEP_PICTURES: ITEM_FILES}
"""Files for each value of `--keep-items`."""
TRIED: Final = 24
"""Number of thumbnails made to estimate the total size."""
ENTRY_BYTES: Final = 96
"""Overhead of the zip file per thumbnail."""


@dataclass(frozen=True)
class KeptPlan:
    """What a run will keep of its items.

    Attributes:
        text: one-line description.
        size: bytes of the files; the size of thumbnails is estimated from a few of them.
    """

    text: str
    size: int


def files_to_keep(config: ExtractionConfig, dataset: Dataset) -> tuple[str, ...]:
    """Names of the files that a run keeps of its items."""
    return FILES[config.keep_items or dataset.keep_items or KEEP_PICTURES]


def keep_items(
    folder: RunFolder, items: Sequence[Item], dataset: Dataset, wanted: Sequence[str], report: Reporter
) -> None:
    """Bring the kept files of a run to the wanted state; intact ones stay unchanged.

    Args:
        folder: the run's folder, locked.
        items: the run's items, in the order of its samples.
        dataset: their source, for messages.
        wanted: names of the files, from `files_to_keep`.
        report: called with what is added, repaired or removed in a run that was complete.

    Raises:
        PidError: a picture can no longer be read, or the disk is full.
    """
    for name in reversed(ITEM_FILES):  # thumbnails first: they are useless without the items
        there = (folder.path / name).exists()
        if name not in wanted and (there or name in folder.manifest.checksums):
            folder.remove_file(name)
            if there:
                report.note(f"{folder.name}: `{name}` is removed (--keep-items)")
    for name in wanted:
        listed = name in folder.manifest.checksums
        fault = changed(folder.path, name, folder.manifest) if listed else None
        if listed and fault is None:
            continue
        if folder.complete:
            what = "added" if not listed else "written again"
            report.note(f"{folder.name}: `{name}` is {what}; nothing is measured for this")
        with report.wait(f"{folder.name}: {name}"):
            folder.write_file(name, partial(_fill, name, items, dataset))


def _records(items: Sequence[Item]) -> list[ItemRecord]:
    def cut(text: str) -> str:
        return text[: TEXT.most]

    _, pictures = distinct_pictures(items)
    return [
        ItemRecord(item.id, cut(item.question), tuple(map(cut, item.options)), item.label, cut(item.hint), picture)
        for item, picture in zip(items, pictures, strict=True)
    ]


def _fill(name: str, items: Sequence[Item], dataset: Dataset, file: BinaryIO) -> None:
    if name == ITEMS_FILE:
        write_records(file, _records(items))
    else:
        firsts, _ = distinct_pictures(items)
        write_thumbnails(file, (_thumbnail(item, dataset) for item in firsts))


def _thumbnail(item: Item, dataset: Dataset) -> bytes:
    try:
        return thumbnail(item)
    except RowError as error:
        raise DatasetError(dataset.file, [Fault(dataset.file, str(error), row=item.row)]) from None


def plan_kept(items: Sequence[Item], dataset: Dataset, wanted: Sequence[str]) -> KeptPlan:
    """What a run of these items would keep of them.

    Raises:
        PidError: a picture can no longer be read.
    """
    if not wanted:
        return KeptPlan("nothing", 0)
    size = sum(len(record.line()) for record in _records(items))
    text = "questions and options"
    if THUMBNAILS_FILE in wanted:
        firsts, _ = distinct_pictures(items)
        tried = firsts[:: max(1, len(firsts) // TRIED)]
        mean = sum(len(_thumbnail(item, dataset)) for item in tried) / len(tried)
        size += round((mean + ENTRY_BYTES) * len(firsts))
        text += f", thumbnails of {count(len(firsts), 'picture')}"
    return KeptPlan(f"{text}, in {backticked(wanted)}", size)
