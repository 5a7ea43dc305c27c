"""`--slurm KEY=VALUE`: Slurm options as submitit parameters."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pid_lvlm.data.command.pairs import key_and_value
from pid_lvlm.data.command.shown import cut
from pid_lvlm.data.command.suggest import unknown_name
from pid_lvlm.data.errors import PidError

DEFAULT_MINUTES: Final = 240
"""Default time limit of a job, if `time` is not given; a job that reaches it is requeued and continues."""

_LONGEST: Final = 1000
_NUMBER: Final = re.compile("[0-9]{1,7}")
_MEMORY: Final = re.compile("[0-9]{1,9}(K|M|G|T)?B?", re.IGNORECASE)
_CLOCK: Final = re.compile(r"(?:(\d{1,5})-)?(\d{1,7})(?::(\d{1,2}))?(?::(\d{1,2}))?")


def minutes(text: str) -> int:
    """Minutes of a run time in Slurm's notation, rounded up.

    Args:
        text: minutes, or `MM:SS`, `HH:MM:SS`, `D-HH`, `D-HH:MM` or `D-HH:MM:SS`.

    Raises:
        PidError: it is none of these, or zero.

    Example:
        >>> minutes("90"), minutes("24:00:00"), minutes("2-12"), minutes("10:01")
        (90, 1440, 3600, 11)
    """
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise PidError("a run time such as 90 (minutes), 24:00:00 or 2-12 (days-hours)")
    days, *clock = found.groups()
    given = [int(number) for number in clock if number is not None]
    if days is not None:
        hours, minute, second = (*given, 0, 0)[:3]
    elif len(given) == 3:
        hours, minute, second = given
    else:
        hours, minute, second = 0, given[0], given[1] if len(given) == 2 else 0
    total = -(-(((int(days or 0) * 24 + hours) * 60 + minute) * 60 + second) // 60)
    if total == 0:
        raise PidError("a run time of at least a minute")
    return total


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise PidError("a whole number")
    return int(text)


def _memory(text: str) -> str:
    if not _MEMORY.fullmatch(text):
        raise PidError("an amount of memory such as 64G")
    return text


def _text(text: str) -> str:
    if not text.strip() or not text.isprintable() or len(text) > _LONGEST:
        raise PidError(f"text on one line of at most {_LONGEST} characters")
    return text


def _switch(text: str) -> bool | str:
    return True if text.lower() in ("true", "yes", "1") else _text(text)


KEYS: Final[Mapping[str, Callable[[str], Any]]] = {
    "account": _text,
    "array_parallelism": _number,
    "comment": _text,
    "constraint": _text,
    "cpus_per_gpu": _number,
    "cpus_per_task": _number,
    "dependency": _text,
    "exclude": _text,
    "exclusive": _switch,
    "gpus_per_node": _number,
    "gpus_per_task": _number,
    "gres": _text,
    "job_name": _text,
    "licenses": _text,
    "mail_type": _text,
    "mail_user": _text,
    "mem": _memory,
    "mem_per_cpu": _memory,
    "mem_per_gpu": _memory,
    "nice": _number,
    "nodelist": _text,
    "partition": _text,
    "qos": _text,
    "reservation": _text,
    "setup": _text,
    "signal_delay_s": _number,
    "time": minutes,
    "wckey": _text,
}
"""Converter for the values of each key. `setup` is a shell line run before the job and may be repeated."""

SEVERAL: Final = ("setup",)
OTHERS: Final = ("licenses", "nice", "reservation")
"""Options that submitit passes through to sbatch."""


def slurm_parameters(given: Sequence[str], name: str) -> dict[str, Any]:
    """Parameters of submitit's Slurm executor.

    Args:
        given: `KEY=VALUE` strings.
        name: name of the jobs, unless `job_name` is given.

    Raises:
        PidError: a string is not of this form, or has an unknown key or an invalid value.

    Example:
        >>> slurm_parameters(["partition=gpu", "time=1-0"], "pid-extract")["time"]
        1440
    """
    found: dict[str, Any] = {}
    for text in given:
        key, value = key_and_value(text, "--slurm", "partition=gpu")
        key = key.lstrip("-").replace("-", "_")
        if key not in KEYS:
            raise PidError(unknown_name("--slurm: unknown key", key, KEYS))
        if key in found and key not in SEVERAL:
            raise PidError(f"--slurm: `{key}` is given twice")
        try:
            read = KEYS[key](value)
        except PidError as expected:
            raise PidError(f"--slurm {key}: expected {expected}, found `{cut(value)}`") from None
        found[key] = [*found.get(key, ()), read] if key in SEVERAL else read
    additional = {key: found.pop(key) for key in OTHERS if key in found}
    defaults = {"job_name": name, "time": DEFAULT_MINUTES}
    return {**defaults, **found, "additional_parameters": {"requeue": True, **additional}}
