"""The report's folder: it must be empty or an earlier report, and no other file in it is ever touched."""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pid_lvlm.data.errors import OutputExistsError, PidError
from pid_lvlm.data.files import partial_file, write_atomic
from pid_lvlm.data.inputs.text import TextError, parse_json, read_text

PAGE: Final = "index.html"

MARKER: Final = ".pid-report.json"
"""Lists the files of a report; its presence says that the report may be replaced."""

HALF_MARKER: Final = partial_file(Path(MARKER)).name
"""What a report leaves that is killed while it writes its marker."""

UNFINISHED: Final = ".pid-report.partial"
"""Folder inside the report's in which its files are until all of them are written."""

_OURS: Final = re.compile(r"index\.html|figures/[\w-]+\.(?:svg|png|pdf)|tables/\w+\.csv")


def check_free(folder: Path) -> None:
    """Check that a report may be written to `folder`: it does not exist, is empty, or has an earlier report.

    Raises:
        OutputExistsError: it is a file, has content that is not a report, or leads elsewhere.
        PidError: it cannot be read.
    """
    try:
        if folder.is_symlink() and not folder.exists():
            raise OutputExistsError(f"`{folder}` is a link to nothing; choose another --out")
        if not folder.exists():
            return
        if not folder.is_dir():
            raise OutputExistsError(f"`{folder}` is a file; --out names a folder")
        if {path.name for path in folder.iterdir()} - {HALF_MARKER} and not (folder / MARKER).is_file():
            raise OutputExistsError(f"`{folder}` is not empty and is not an earlier report; choose another --out")
        for name in ("figures", "tables", UNFINISHED):
            if (folder / name).is_symlink():
                raise OutputExistsError(f"`{folder / name}` is a link; remove it, so that nothing is written elsewhere")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PidError(
            f"`{str(folder)[:200]}` cannot be a folder for the report ({reason}); choose another --out"
        ) from None


def write_report(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a report's files, all or none, and remove those that only an earlier report had.

    They are moved to their places when all are on the disk. While they are, the folder has no page, so that two halves
    of two reports never look like one.

    Raises:
        OutputExistsError: as `check_free`.
        PidError: the folder cannot be written; an earlier report is as it was.
    """
    check_free(folder)
    was_there = folder.exists()
    former = _listed(folder)
    unfinished = folder / UNFINISHED
    try:
        # The marker comes first and lists old and new files: an interrupted report is recognised and cleaned up.
        _mark(folder, sorted({*former, *files}))
        shutil.rmtree(unfinished, ignore_errors=True)
        for name, content in files.items():
            write_atomic(unfinished / name, content)
        _move(folder, unfinished, files, former)
        _mark(folder, sorted(files))
    except BaseException:
        shutil.rmtree(folder if not was_there else unfinished, ignore_errors=True)
        raise


def _move(folder: Path, unfinished: Path, files: Mapping[str, bytes], former: Sequence[str]) -> None:
    try:
        (folder / PAGE).unlink(missing_ok=True)
        for name in former:
            if name not in files:
                (folder / name).unlink(missing_ok=True)
        for name in sorted(files, key=PAGE.__eq__):  # the page last
            (folder / name).parent.mkdir(exist_ok=True)
            (unfinished / name).replace(folder / name)
        shutil.rmtree(unfinished)
    except OSError as error:
        message = f"cannot write `{error.filename}`: {error.strerror}; remove it or choose another --out"
        raise PidError(message) from error


def _mark(folder: Path, names: Sequence[str]) -> None:
    write_atomic(folder / MARKER, (json.dumps({"files": list(names)}, indent=2) + "\n").encode())


def _listed(folder: Path) -> list[str]:
    """Files of the earlier report; none if the marker is damaged, and only such as a report has."""
    try:
        content = parse_json(read_text(folder / MARKER))
    except (OSError, TextError):
        return []
    names = content.get("files") if isinstance(content, dict) else None
    return (
        [name for name in names if isinstance(name, str) and _OURS.fullmatch(name)] if isinstance(names, list) else []
    )
