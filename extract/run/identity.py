"""The revision of a loaded model, by which a continued run recognises its weights."""

from pathlib import Path
from typing import Final

from pid_lvlm.extract.config import ModelSpec
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.models.checkpoint.fingerprint import bytes_to_hash, checkpoint_stamps
from pid_lvlm.extract.models.checkpoint.hash_cache import Stamp
from pid_lvlm.extract.models.checkpoint.hub_files import snapshot_folder
from pid_lvlm.extract.models.load import recorded_revision
from pid_lvlm.extract.run.progress import Reporter

WORTH_SAYING: Final = 4e9
"""Number of bytes that takes more than a few seconds to hash."""

FileState = dict[str, Stamp]


def file_state(spec: ModelSpec) -> FileState:
    """Size and times of each file of a checkpoint folder, before it is loaded; empty for a hub model."""
    folder = Path(spec.model)
    return checkpoint_stamps(folder) if folder.is_dir() else {}


def identify(spec: ModelSpec, before: FileState, reporter: Reporter) -> str | None:
    """Revision of a model that was just loaded.

    Args:
        spec: the model, pinned.
        before: `file_state` before it was loaded.
        reporter: reports if hashing takes long.

    Raises:
        ModelError: a file changed while the model was loaded, or cannot be read.
    """
    folder = Path(spec.model) if Path(spec.model).is_dir() else snapshot_folder(spec)
    size = 0 if folder is None else bytes_to_hash(folder)
    text = f"hashing {size / 1e9:.1f} GB of {spec.model}"
    if size > WORTH_SAYING:
        reporter.note(f"{text}, to recognise these weights; the hash is remembered")
    with reporter.wait(text):
        revision = recorded_revision(spec)
    if file_state(spec) != before:
        message = f"`{spec.model}` changed while it was loaded; wait until the checkpoint is complete, and run again"
        raise ModelError(message)
    return revision
