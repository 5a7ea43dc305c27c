"""Reads a dataset's rows from any source: a file, several files, a folder, a saved dataset, or the hub."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from pid_lvlm.data.command.shown import backticked, count, cut
from pid_lvlm.data.inputs.paths import is_pattern, is_there, matching_files
from pid_lvlm.extract.datasets.sources.files import file_error, read_file
from pid_lvlm.extract.datasets.sources.table import HUB_PREFIX, Table, numbered

TYPED_KINDS: Final = (".parquet",)
"""File types that distinguish missing values from text; in the others an empty cell is a missing value."""
ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
FEW: Final = 3
MARKS_OF_SAVED: Final = ("dataset_info.json", "dataset_dict.json")
"""Files that `save_to_disk` of the `datasets` library leaves in a folder."""


def read_table(source: Path) -> Table:
    """Read a dataset.

    Args:
        source: a file; a folder of parquet files or one written by `save_to_disk`; if there is none with this name, a
            pattern such as `data/val-*.parquet`; or `hf:OWNER/NAME[:CONFIG]:SPLIT`.

    Raises:
        DatasetError: it does not exist, or is of an unknown kind, empty, or broken.
    """
    if str(source).startswith(HUB_PREFIX):
        from pid_lvlm.extract.datasets.sources.hub import read_hub

        return _named_and_filled(read_hub(str(source)), source)
    if is_there(source) and source.is_dir() and any((source / mark).is_file() for mark in MARKS_OF_SAVED):
        from pid_lvlm.extract.datasets.sources.hub import read_saved

        return _named_and_filled(read_saved(source), source)
    files = _files(source)
    contents = [read_file(file) for file in files]
    whole = contents[0].sha256 if len(contents) == 1 else _joint_hash(content.sha256 for content in contents)
    table = Table(
        name=cut(source.name or source.absolute().name, 255),
        folder=source if source.is_dir() else source.parent,
        rows=numbered(row for content in contents for row in content.rows),
        sha256=whole,
        typed=files[0].suffix.lower() in TYPED_KINDS,
    )
    if files != [source]:
        names = [cut(file.name) for file in files]
        listed = ", ".join(names) if len(names) <= FEW else f"{names[0]} … {names[-1]}"
        table = table.noted(f"it matches {count(len(names), 'file')}: {listed}")
    return _named_and_filled(table, source)


def _joint_hash(digests: Iterable[str]) -> str:
    return hashlib.sha256(b"".join(map(bytes.fromhex, digests))).hexdigest()


def _named_and_filled(table: Table, source: Path) -> Table:
    """Strip blanks around column names; a table without rows is an error."""
    if not table.rows:
        raise file_error(source, "the file is empty; expected at least one item")
    table = replace(table, read=len(table.rows))
    if any(name != name.strip() for name in table.columns):
        return table.change(lambda row: {name.strip(): value for name, value in row.items()})
    return table


def _files(source: Path) -> Sequence[Path]:
    if is_there(source):
        return _parquet_files(source) if source.is_dir() else [source]
    if files := matching_files(source):
        return files
    if is_pattern(source):
        raise file_error(source, "no file has this name or matches it as a pattern; check the path")
    if ADDRESS.match(str(source)):
        advice = "download the file and give its path, or name a hub dataset as hf:OWNER/NAME:SPLIT"
        raise file_error(source, f"it is a URL, but only local files are read; {advice}")
    raise file_error(source, "the file does not exist; check the path")


def _parquet_files(folder: Path) -> Sequence[Path]:
    """The shards of one split; for a folder with several splits the user must choose one."""
    files = matching_files(folder / "*.parquet")
    if not files:
        raise file_error(folder, "the folder holds neither *.parquet files nor a saved dataset; give the file itself")
    splits = sorted({file.name.partition("-")[0] for file in files if "-of-" in file.name})
    if len(splits) > 1:
        raise file_error(folder, f'the folder holds {backticked(splits)}; choose one: "{folder / splits[0]}-*.parquet"')
    return files
