"""The report's folder: ours or empty before we write, and never a file of somebody else's touched."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pid_lvlm.data.errors import OutputExistsError
from pid_lvlm.data.files import write_atomic

MARKER: Final = ".pid-report.json"
"""Lists the files of a report; its presence says that the folder is ours to replace."""


def check_free(folder: Path) -> None:
    """Make sure that a report may be written to `folder`: it is absent, empty, or holds an earlier report.

    Raises:
        OutputExistsError: it is a file, or holds something that is not a report.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise OutputExistsError(f"`{folder}` is a file; --out names a folder")
    if any(folder.iterdir()) and not (folder / MARKER).is_file():
        raise OutputExistsError(f"`{folder}` is not empty and holds no earlier report; choose another --out")


def write_report(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a report's files, each whole or not at all, and remove what an earlier report left and this one lacks.

    Raises:
        OutputExistsError: as `check_free`.
        PidError: the folder cannot be written.
    """
    check_free(folder)
    former = _listed(folder)
    # Marked first, with old and new files, so that an interrupted report is still recognised and cleaned up.
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
    """Files of the earlier report; none where the marker is damaged, and never one outside the folder."""
    try:
        names = json.loads((folder / MARKER).read_text())["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    inside = folder.resolve()
    return [name for name in names if isinstance(name, str) and (folder / name).resolve().is_relative_to(inside)]
