"""Where a model comes from: what can be refused at once, before torch is imported."""

import re
from pathlib import Path
from typing import Final

from pid_lvlm.data.command.suggest import near_names
from pid_lvlm.extract.config import ModelSpec
from pid_lvlm.extract.errors import ModelError

HUB_ID: Final = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


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
