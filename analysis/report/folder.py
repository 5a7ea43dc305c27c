"""The report's folder: it must be empty or an earlier report, and no other file in it is ever touched."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pid_lvlm.data.errors import OutputExistsError
from pid_lvlm.data.files import write_atomic

MARKER: Final = ".pid-report.json"
"""Lists the files of a report; its presence says that the report may be replaced."""


def check_free(folder: Path) -> None:
    """Check that a report may be written to `folder`: it does not exist, is empty, or has an earlier report.

    Raises:
        OutputExistsError: it is a file, or has content that is not a report.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise OutputExistsError(f"`{folder}` is a file; --out names a folder")
    if any(folder.iterdir()) and not (folder / MARKER).is_file():
        raise OutputExistsError(f"`{folder}` is not empty and is not an earlier report; choose another --out")


def write_report(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a report's files, each whole or not at all, and remove those that only an earlier report had.

    Raises:
        OutputExistsError: as `check_free`.
        PidError: the folder cannot be written.
    """
    check_free(folder)
    former = _listed(folder)
    # The marker comes first and lists old and new files, so that an interrupted report is recognised and cleaned up.
    _mark(folder, sorted({*former, *files}))
    for name, content in files.items():
        write_atomic(folder / name, content)
    for name in former:
        if name not in files:
            (folder / name).unlink(missing_ok=True)
    _mark(folder, sorted(files))


def _mark(folder: Path, names: Sequence[str]) -> None:
    write_atomic(folder / MARKER, (json.dumps({"files": list(names)}, indent=2) + "\n").encode())


def _listed(folder: Path) -> list[str]:
    """Files of the earlier report; none if the marker is damaged, and never one outside the folder."""
    try:
        names = json.loads((folder / MARKER).read_text())["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    inside = folder.resolve()
    return [name for name in names if isinstance(name, str) and (folder / name).resolve().is_relative_to(inside)]
