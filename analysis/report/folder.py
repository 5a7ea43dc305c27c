"""The report's folder: it must be empty or hold an earlier report; no other file in it is ever touched."""

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
"""Lists the files of a report; a folder that has it may be replaced."""

HALF_MARKER: Final = partial_file(Path(MARKER)).name
"""Left over if a report is killed while writing its marker."""

UNFINISHED: Final = ".pid-report.partial"
"""Subfolder that holds the files of the report until all of them are written."""

_OURS: Final = re.compile(r"index\.html|figures/[\w-]+\.(?:svg|png|pdf)|tables/\w+\.csv")


def check_free(folder: Path) -> None:
    """Check that a report may be written to `folder`: it does not exist, is empty, or holds an earlier report.

    Raises:
        OutputExistsError: it is a file, has content that is not a report, or links elsewhere.
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
    """Write all of a report's files or none, and remove those that only an earlier report had.

    The files are moved into place once all are on disk. During the move the folder has no page, so a mix of two reports
    is never mistaken for one.

    Raises:
        OutputExistsError: see `check_free`.
        PidError: the folder cannot be written; an earlier report is unchanged.
    """
    check_free(folder)
    was_there = folder.exists()
    former = _listed(folder)
    unfinished = folder / UNFINISHED
    try:
        # The marker comes first and lists old and new files, to recognise and clean up an interrupted report.
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
    """Files of the earlier report, restricted to names that a report can have; none if the marker is damaged."""
    try:
        content = parse_json(read_text(folder / MARKER))
    except (OSError, TextError):
        return []
    names = content.get("files") if isinstance(content, dict) else None
    return (
        [name for name in names if isinstance(name, str) and _OURS.fullmatch(name)] if isinstance(names, list) else []
    )
