"""Checkpoints of one training as a series: one line in a sweep file instead of one entry each."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pid_lvlm.data.names import by_number
from pid_lvlm.extract.errors import UsageError

SERIES_KEYS = ("checkpoints", "revisions")
STEPS_KEY = "steps"

Entry = dict[str, Any]


def expand_series(entry: Mapping[str, Any], folder: Path, where: str) -> list[Entry]:
    """Entries of the single checkpoints that an entry of `[[models]]` stands for, by their steps.

    `checkpoints = "out/checkpoint-*"` takes every folder of that pattern; `revisions = ["step-100", "main"]` takes
    these of the hub model `model`. The last number in a name is its step, unless `steps` lists them. The series is one
    model in tables: `name`, by default the hub id or the name of the folder that holds the checkpoints.

    Args:
        entry: the entry; one without these keys comes back alone.
        folder: where relative patterns start.
        where: for messages.

    Raises:
        UsageError: nothing matches the pattern, a name has no number, or two checkpoints share a step.
    """
    key = next((key for key in SERIES_KEYS if key in entry), None)
    if key is None:
        return [dict(entry)]
    _check_lists(entry, key, where)
    rest = {name: value for name, value in entry.items() if name not in (*SERIES_KEYS, STEPS_KEY)}
    if key == "checkpoints":
        names = _matching(entry[key], folder, where)
        if "model" in entry:
            message = (
                f"{where}: `checkpoints` already says which folders; leave out `model` (the name in tables is `name`)"
            )
            raise UsageError(message)
        rest.setdefault("name", Path(names[0]).parent.name)
        field = "model"
    else:
        if "model" not in entry:
            raise UsageError(f"{where}: `revisions` needs `model`, the hub model that they belong to")
        names = list(entry[key])
        rest.setdefault("name", entry["model"])
        field = "revision"
    steps = _steps(names, entry.get(STEPS_KEY), where)
    return [{**rest, field: name, "step": step} for step, name in sorted(zip(steps, names, strict=True))]


def _check_lists(entry: Mapping[str, Any], key: str, where: str) -> None:
    if "step" in entry:
        raise UsageError(f"{where}: `step` is for one checkpoint; a series takes steps from its names, or from `steps`")
    if not entry[key]:
        raise UsageError(f"{where}: `{key}` is empty")
    if key == "revisions" and not all(isinstance(name, str) for name in entry[key]):
        raise UsageError(f"{where}: `revisions` should list branches, tags or commits as texts")
    if not all(isinstance(step, int) for step in entry.get(STEPS_KEY, [])):
        raise UsageError(f"{where}: `steps` should list whole numbers")


def _matching(pattern: str, folder: Path, where: str) -> list[str]:
    path = folder / pattern
    found = sorted((str(match) for match in path.parent.glob(path.name) if match.is_dir()), key=by_number)
    if not found:
        raise UsageError(f"{where}: no folder matches the pattern `{pattern}` (looked in `{path.parent}`)")
    return found


def _steps(names: Sequence[str], given: Sequence[int] | None, where: str) -> list[int]:
    if given is not None:
        if len(given) != len(names):
            raise UsageError(f"{where}: `steps` lists {len(given)} numbers for {len(names)} checkpoints")
        steps = list(given)
    else:
        steps = [_number(Path(name).name, where) for name in names]
    if repeated := [step for step in steps if steps.count(step) > 1]:
        shared = [Path(name).name for name, step in zip(names, steps, strict=True) if step == repeated[0]]
        raise UsageError(f"{where}: {' and '.join(shared)} have the same step {repeated[0]}; list them with `steps`")
    return steps


def _number(name: str, where: str) -> int:
    numbers = re.findall(r"\d+", name)
    if not numbers:
        raise UsageError(
            f"{where}: `{name}` contains no number to take as its training step; leave it out of the pattern and give "
            "it an entry of its own with `step`, or list all with `steps`"
        )
    return int(numbers[-1])
