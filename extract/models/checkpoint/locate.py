"""Where a model comes from: checks that are possible before torch is imported."""

import re
from pathlib import Path
from typing import Final

from pid_lvlm.data.command.suggest import near_names
from pid_lvlm.extract.config import ModelSpec
from pid_lvlm.extract.errors import ModelError

HUB_ID: Final = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def check_model(spec: ModelSpec) -> None:
    """Reject anything that is neither a local folder nor in the form of a hub id; does not ask the hub.

    Raises:
        ModelError: names the missing folder.
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
