"""Where models come from and runs go: what can be refused at once, before torch is imported."""

import re
from pathlib import Path
from typing import Final

from data.errors import OutputExistsError
from data.names import MANIFEST_FILE
from extract.config import ModelSpec
from extract.errors import ModelError, near_names

HUB_ID: Final = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
PREVIEW_FILE: Final = "preview.txt"
PARTIAL_FILES: Final = ".*.partial"
"""Temporary names of files that were being written when a run was killed."""


def check_model(spec: ModelSpec) -> None:
    """Refuse what is neither a folder here nor the form of a hub id; whether the hub has it is not asked.

    Raises:
        ModelError: names the folder that is not there.
    """
    path = Path(spec.model)
    if path.is_dir() or HUB_ID.fullmatch(spec.model):
        return
    beside = [child.name for child in path.parent.iterdir() if child.is_dir()] if path.parent.is_dir() else []
    near = near_names(path.name, beside)
    guess = f"did you mean `{path.parent / near[0]}`?" if near else "check the path"
    what = "is a file" if path.is_file() else "is not there"
    message = f"model `{spec.model}` {what}; expected a checkpoint folder or a hub id (OWNER/NAME); {guess}"
    raise ModelError(message)


def check_out_folder(out: Path) -> None:
    """Refuse a folder for runs that holds something else.

    Raises:
        OutputExistsError: it is a file, or a non-empty folder without any run folder in it.
    """
    if out.exists() and not out.is_dir():
        message = f"--out `{out}` is a file; choose a folder"
        raise OutputExistsError(message)
    if not out.is_dir() or not any(out.iterdir()):
        return
    children = [child for child in out.iterdir() if child.is_dir()]
    if any(is_run(child) or is_blank(child) for child in children):
        return
    if any((child / PREVIEW_FILE).is_file() for child in children):
        message = f"--out `{out}` holds a preview; choose another folder for runs, or delete the preview"
        raise OutputExistsError(message)
    message = f"--out `{out}` holds files but no run folder, so it is not ours; choose a new or empty folder"
    raise OutputExistsError(message)


def is_run(folder: Path) -> bool:
    """Whether there is a manifest."""
    return (folder / MANIFEST_FILE).is_file()


def is_blank(folder: Path) -> bool:
    """Empty but for what a kill before the first manifest leaves."""
    return folder.is_dir() and set(folder.iterdir()) <= set(folder.glob(PARTIAL_FILES))
