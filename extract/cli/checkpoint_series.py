"""Checkpoints of one training as a series: one sweep-file entry instead of one for each."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pid_lvlm.data.bounds import STEP
from pid_lvlm.data.command.shown import cut, shown_path
from pid_lvlm.data.inputs.paths import matching_files
from pid_lvlm.data.names import by_number
from pid_lvlm.extract.errors import UsageError

SERIES_KEYS = ("checkpoints", "revisions")
STEPS_KEY = "steps"

Entry = dict[str, Any]


def expand_series(entry: Mapping[str, Any], folder: Path, where: str) -> tuple[list[Entry], str | None]:
    """Expand an entry of `[[models]]` into entries for its checkpoints, sorted by step, and a note about them.

    `checkpoints = "out/checkpoint-*"` takes the folder with this name, or else every folder that matches the pattern;
    `revisions = ["step-100", "main"]` takes these revisions of the hub model `model`. The last number in a name is its
    step, unless `steps` lists the steps. The series is one model in tables: `name`, by default the hub id or the name
    of the folder that holds the checkpoints.

    Args:
        entry: the entry, with values of the right types; an entry without these keys is returned alone.
        folder: where relative patterns start.
        where: location of the entry, for messages.

    Raises:
        UsageError: nothing matches the pattern, a name has no number, or two checkpoints share a step.
    """
    key = next((key for key in SERIES_KEYS if key in entry), None)
    if key is None:
        if STEPS_KEY in entry:
            raise UsageError(f"{where}`steps` belongs to a series; a single checkpoint takes `step`")
        return [dict(entry)], None
    if "step" in entry:
        raise UsageError(
            f"{where}`step` belongs to a single checkpoint; a series takes its steps from names or `steps`"
        )
    rest = {name: value for name, value in entry.items() if name not in (*SERIES_KEYS, STEPS_KEY)}
    note = None
    if key == "checkpoints":
        names = _matching(entry[key], folder, where)
        if "model" in entry or "revisions" in entry:
            other = "model" if "model" in entry else "revisions"
            raise UsageError(
                f"{where}`checkpoints` already names the folders; remove `{other}` (`name` is the name in tables)"
            )
        rest.setdefault("name", Path(names[0]).parent.name)
        field = "model"
        ends = [cut(Path(name).name) for name in (names[0], names[-1])]
        note = f"`{cut(entry[key])}`: {len(names)} folders, {' … '.join(ends)}" if len(names) > 1 else None
    else:
        if "model" not in entry:
            raise UsageError(f"{where}`revisions` needs `model`, the hub model that they belong to")
        names = list(entry[key])
        rest.setdefault("name", entry["model"])
        field = "revision"
    steps = _steps(names, entry.get(STEPS_KEY), where)
    return [{**rest, field: name, "step": step} for step, name in sorted(zip(steps, names, strict=True))], note


def _matching(pattern: str, folder: Path, where: str) -> list[str]:
    path = folder / pattern
    found = sorted((str(match) for match in matching_files(path) if match.is_dir()), key=by_number)
    if not found:
        looked = shown_path(path.parent)
        raise UsageError(f"{where}no folder matches the pattern `{cut(pattern)}` (looked in `{looked}`)")
    return found


def _steps(names: Sequence[str], given: Sequence[int] | None, where: str) -> list[int]:
    if given is not None:
        if len(given) != len(names):
            raise UsageError(f"{where}`steps` lists {len(given)} numbers for {len(names)} checkpoints")
        steps = list(given)
    else:
        steps = [_number(Path(name).name, where) for name in names]
    repeated, count = Counter(steps).most_common(1)[0]
    if count > 1:
        shared = [cut(Path(name).name) for name, step in zip(names, steps, strict=True) if step == repeated]
        raise UsageError(f"{where}{' and '.join(shared[:2])} have the same step {repeated}; list them with `steps`")
    return steps


def _number(name: str, where: str) -> int:
    numbers = re.findall(r"[0-9]+", name)
    if not numbers:
        raise UsageError(
            f"{where}`{cut(name)}` contains no number to use as its training step; leave it out of the pattern and "
            "give it its own entry with `step`, or list all steps in `steps`"
        )
    if len(numbers[-1]) > len(str(STEP.most)) or int(numbers[-1]) > STEP.most:
        raise UsageError(f"{where}`{cut(name)}` ends in a number above {STEP}, the largest possible step")
    return int(numbers[-1])
