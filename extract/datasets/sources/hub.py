"""Loads datasets with the `datasets` library: hub ids, and folders written by `save_to_disk`."""

import hashlib
import re
from pathlib import Path
from typing import Any, Final

from pid_lvlm.data.bounds import ROWS
from pid_lvlm.data.command.extras import install_advice
from pid_lvlm.data.command.shown import backticked, cut
from pid_lvlm.data.errors import Fault
from pid_lvlm.extract.datasets.errors import DatasetError
from pid_lvlm.extract.datasets.sources.table import HUB_PREFIX, Table, numbered
from pid_lvlm.extract.errors import UsageError

FORM: Final = "hf:OWNER/NAME:SPLIT or hf:OWNER/NAME:CONFIG:SPLIT"
HUB_NAME: Final = re.compile(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_.-]*")
ROWS_AT_ONCE: Final = 1024


def read_hub(source: str) -> Table:
    """Download (or take from the cache) one split of a hub dataset.

    Args:
        source: `hf:OWNER/NAME:SPLIT`, with `:CONFIG` before the split if the dataset has several.

    Raises:
        UsageError: it is not of that form, or the `datasets` library is missing.
        DatasetError: the dataset, configuration or split does not exist, or access is denied.
    """
    parts = source.removeprefix(HUB_PREFIX).split(":")
    if not 2 <= len(parts) <= 3 or not all(parts):
        message = f"--data: expected {FORM}, found `{cut(source)}`; for example hf:Lin-Chen/MMStar:val"
        raise UsageError(message)
    if not all(HUB_NAME.fullmatch(part) for part in parts[0].split("/")) or parts[0].count("/") > 1:
        message = (
            f"--data: expected {FORM}, found `{cut(source)}`; OWNER and NAME are letters, digits, `-`, `_` and dots"
        )
        raise UsageError(message)
    name, *config, split = parts
    library = _library(source)
    try:
        found = library.load_dataset(name, *config, split=split)
    except Exception as error:  # anything the library raises about a remote answer
        raise DatasetError(source, [Fault(name, _reason(name, error))]) from error
    return _table(found, name.rpartition("/")[2], Path())


def read_saved(folder: Path) -> Table:
    """Read a folder that `save_to_disk` wrote.

    Raises:
        UsageError: the `datasets` library is missing.
        DatasetError: it holds several splits, or cannot be read.
    """
    if (folder / "dataset_dict.json").is_file():
        splits = sorted(path.name for path in folder.iterdir() if path.is_dir())
        if len(splits) != 1:
            message = (
                f"the folder holds the splits {backticked(splits)}; give one of them: `{folder / splits[0]}`"
                if splits
                else "the folder holds no split"
            )
            raise DatasetError(str(folder), [Fault(folder.name, message)])
        return read_saved(folder / splits[0])
    try:
        found = _library(str(folder)).load_from_disk(str(folder))
    except Exception as error:  # damaged JSON and arrow files fail in many ways
        message = f"cannot be read as a saved dataset ({_first_line(error)}); save it again with save_to_disk"
        raise DatasetError(str(folder), [Fault(folder.name, message)]) from error
    return _table(found, folder.name, folder)


def _library(source: str) -> Any:
    try:
        import datasets
    except ImportError as error:
        message = f"`{source}` needs the `datasets` library, which is not installed; {install_advice('datasets')}"
        raise UsageError(message) from error
    datasets.disable_progress_bars()
    return datasets


def _table(found: Any, name: str, folder: Path) -> Table:
    """Rows as stored in arrow: pictures stay encoded, as mappings with `bytes` and `path`."""
    if len(found) > ROWS.most:
        raise DatasetError(name, [Fault(name, f"it has {len(found):,} rows; at most {ROWS} are read")])
    rows = []
    digest = hashlib.sha256()
    try:
        stored = found.with_format("arrow")
        for start in range(0, len(stored), ROWS_AT_ONCE):
            part = stored[start : start + ROWS_AT_ONCE].to_pylist()
            digest.update(repr(part).encode())
            rows += part
    except Exception as error:  # as above
        message = f"its rows cannot be read ({_first_line(error)}); download or save it again"
        raise DatasetError(name, [Fault(name, message)]) from error
    return Table(name, folder, numbered(rows), digest.hexdigest(), typed=True)


def _reason(name: str, error: Exception) -> str:
    text = _first_line(error)
    if "gated" in text:
        return (
            f"`{name}` is gated and no token gives access; accept its terms on its hub page, then log in "
            "(hf auth login, or set HF_TOKEN)"
        )
    return f"cannot be loaded from the hub ({text}); give a downloaded file or folder instead"


def _first_line(error: Exception) -> str:
    return cut(next((line for line in str(error).splitlines() if line.strip()), type(error).__name__), 200)
