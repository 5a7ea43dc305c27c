"""A dataset's rows from wherever they are: a file, several, a folder, a saved dataset, or the hub."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Final

from pid_lvlm.extract.datasets.sources.files import file_error, read_file
from pid_lvlm.extract.datasets.sources.table import HUB_PREFIX, Table, numbered

TYPED_KINDS: Final = (".parquet",)
"""Kinds of file that distinguish a missing value from a text; in the others an empty cell is a missing value."""
MARKS_OF_SAVED: Final = ("dataset_info.json", "dataset_dict.json")
"""Files that `save_to_disk` of the `datasets` library leaves in a folder."""


def read_table(source: Path) -> Table:
    """Read a dataset.

    Args:
        source: a file; a folder of parquet files or one written by `save_to_disk`; a pattern such as
            `data/val-*.parquet`; or `hf:OWNER/NAME[:CONFIG]:SPLIT`.

    Raises:
        DatasetError: it does not exist, or is of an unknown kind, empty, or broken.
    """
    if str(source).startswith(HUB_PREFIX):
        from pid_lvlm.extract.datasets.sources.hub import read_hub

        return _named_and_filled(read_hub(str(source)), source)
    if source.is_dir() and any((source / mark).is_file() for mark in MARKS_OF_SAVED):
        from pid_lvlm.extract.datasets.sources.hub import read_saved

        return _named_and_filled(read_saved(source), source)
    files = _files(source)
    rows = [row for file in files for row in read_file(file)]
    digests = [hashlib.sha256(file.read_bytes()) for file in files]
    whole = digests[0] if len(digests) == 1 else hashlib.sha256(b"".join(digest.digest() for digest in digests))
    return _named_and_filled(
        Table(
            name=source.name,
            folder=source if source.is_dir() else source.parent,
            rows=numbered(rows),
            sha256=whole.hexdigest(),
            typed=files[0].suffix.lower() in TYPED_KINDS,
        ),
        source,
    )


def _named_and_filled(table: Table, source: Path) -> Table:
    """Blanks around column names removed; a table without rows is an error."""
    if not table.rows:
        raise file_error(source, "the file is empty; expected at least one item")
    table = replace(table, read=len(table.rows))
    if any(name != name.strip() for name in table.columns):
        return table.change(lambda row: {name.strip(): value for name, value in row.items()})
    return table


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    if source.is_dir():
        return _parquet_files(source)
    if "*" in source.name and (files := sorted(source.parent.glob(source.name))):
        return files
    raise file_error(source, "there is no such file; check the path")


def _parquet_files(folder: Path) -> list[Path]:
    """Shards of one split; a folder with several splits needs a choice."""
    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise file_error(folder, "the folder holds no *.parquet and no saved dataset; give the file itself")
    splits = sorted({file.name.partition("-")[0] for file in files if "-of-" in file.name})
    if len(splits) > 1:
        raise file_error(folder, f'the folder holds {", ".join(splits)}; choose one: "{folder / splits[0]}-*.parquet"')
    return files
