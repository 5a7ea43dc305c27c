"""What a command did, as the object that `--json` prints: the fields common to all commands, and the writer."""

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
    """Name of a result-table row in `Failure.what`; estimators without features have no pooling."""
    how = row["pooling"] or row.get("estimator", "no pooling")
    return f"{row['run']}, layer {row['layer']}, {how}, tau {row['tau']:g}"


@dataclass(frozen=True, kw_only=True)
class CommandResult:
    """What a command did. Command-specific results are fields of a subclass; every field is printed.

    Attributes:
        action: `run`, or the option that asked for something else, such as `dry-run` or `check`.
        done: number of runs, rows, files or folders completed now; with `dry-run`, the number that would be.
        skipped: number that already existed.
        failed: number that failed.
        failures: which, and why.
    """

    action: str = "run"
    done: int = 0
    skipped: int = 0
    failed: int = 0
    failures: tuple[Failure, ...] = ()

    @property
    def exit_code(self) -> int:
        """The command's exit code."""
        return EXIT_WITH_FAILURES if self.failed else EXIT_DONE


def to_json(
    command: str,
    version: str,
    exit_code: int,
    seconds: float,
    content: CommandResult | str,
    log: str | None = None,
) -> str:
    """The JSON object of a result, or of an error with the message `content` and the traceback in the file `log`."""
    head: dict[str, Any] = {
        "command": command,
        "version": version,
        "exit_code": exit_code,
        "seconds": round(seconds, 3),
    }
    body = {"error": content} if isinstance(content, str) else asdict(content)
    body |= {} if log is None else {"log": log}
    # escaped, so that the object survives every locale and names that are not valid text
    return json.dumps(head | body, indent=2, default=str)
