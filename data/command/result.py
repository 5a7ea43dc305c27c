"""What a command did, as an object that `--json` prints: fields that all commands share, and the one writer."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from pid_lvlm.faults import EXIT_FAULT as EXIT_FAULT

EXIT_DONE: Final = 0
EXIT_WITH_FAILURES: Final = 1
EXIT_BAD_INPUT: Final = 2
EXIT_INTERRUPTED: Final = 130


@dataclass(frozen=True)
class Failure:
    """One thing that failed, and why."""

    what: str
    reason: str


def fit_name(row: Mapping[str, Any]) -> str:
    """What a row of the result table is called in `Failure.what`; estimators without features have no pooling."""
    how = row["pooling"] or row.get("estimator", "no pooling")
    return f"{row['run']}, layer {row['layer']}, {how}, tau {row['tau']:g}"


@dataclass(frozen=True, kw_only=True)
class CommandResult:
    """What a command did. A command's own results are fields of a subclass, and every field is printed.

    Attributes:
        action: `run`, or the option that asked for something else, such as `dry-run` or `check`.
        done: how many runs, rows, files or folders are done now; with `dry-run`, how many would be.
        skipped: how many were there already.
        failed: how many failed.
        failures: which, and why.
    """

    action: str = "run"
    done: int = 0
    skipped: int = 0
    failed: int = 0
    failures: tuple[Failure, ...] = ()

    @property
    def exit_code(self) -> int:
        """What the command leaves with."""
        return EXIT_WITH_FAILURES if self.failed else EXIT_DONE


def to_json(
    command: str,
    version: str,
    exit_code: int,
    seconds: float,
    content: CommandResult | str,
    log: str | None = None,
) -> str:
    """The JSON object of a result, or of an error where `content` is its message and `log` its traceback's file."""
    head: dict[str, Any] = {
        "command": command,
        "version": version,
        "exit_code": exit_code,
        "seconds": round(seconds, 3),
    }
    body = {"error": content} if isinstance(content, str) else asdict(content)
    body |= {} if log is None else {"log": log}
    # Escaped, so that the object survives every locale and names that are not text.
    return json.dumps(head | body, indent=2, default=str)
