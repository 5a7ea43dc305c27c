"""What jobs leave next to an output: a folder for each command, with a log and a result for each part.

For `--out runs` it is `.runs.jobs`, hidden like locks, so that a search for run folders or tables does not find it.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from pid_lvlm.data.command.part import Part
from pid_lvlm.data.command.result import EXIT_DONE
from pid_lvlm.data.errors import PidError
from pid_lvlm.data.files import write_atomic
from pid_lvlm.data.inputs.schema import STRICT, checked
from pid_lvlm.data.inputs.text import parse_json, read_text

SUBMITTED_FILE: Final = "submitted.json"


@dataclass(frozen=True)
class Reason:
    """What failed in a part, and why."""

    __pydantic_config__ = STRICT

    what: str
    reason: str


@dataclass(frozen=True)
class PartResult:
    """How a part ended.

    Attributes:
        part: `i/n`.
        runs: names of the runs in the part.
        exit_code: the command's exit code; if negative, the signal that ended it.
        error: the message of an error that stopped the whole part.
        failures: what failed while the rest continued.
        log: its log.
        content: the object printed by its `--json`.
    """

    __pydantic_config__ = STRICT

    part: str
    runs: tuple[str, ...]
    exit_code: int
    error: str | None = None
    failures: tuple[Reason, ...] = ()
    log: str = ""
    content: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """Whether the whole part is done."""
        return self.exit_code == EXIT_DONE

    def reasons(self) -> dict[str, str]:
        """The reason for each unfinished run: its own, or that of the whole part."""
        own = {one.what: one.reason for one in self.failures}
        return own if self.error is None else dict.fromkeys(self.runs, self.error) | own


@dataclass(frozen=True)
class Submitted:
    """The jobs of a command: the executor, and the job id of each part."""

    __pydantic_config__ = STRICT

    executor: str
    jobs: Mapping[str, str]


@dataclass(frozen=True)
class Records:
    """The records of one command.

    Args:
        folder: its folder.
    """

    folder: Path

    @classmethod
    def of(cls, out: Path, arguments: Sequence[str], parts: Sequence[Sequence[str]]) -> "Records":
        """The records of a command that writes `out`. A command with other arguments or parts has its own.

        Args:
            out: what the command writes.
            arguments: the arguments of every job, except its part.
            parts: names of the runs in each part.
        """
        content = json.dumps([list(arguments), [list(runs) for runs in parts]])
        return cls(jobs_folder(out) / hashlib.sha256(content.encode(errors="surrogatepass")).hexdigest()[:12])

    def log(self, part: Part) -> Path:
        """File with the output of a part."""
        return self.folder / f"part-{part.number}-of-{part.total}.log"

    def result(self, part: Part) -> Path:
        """File with the outcome of a part."""
        return self.log(part).with_suffix(".json")

    def forget(self, part: Part) -> None:
        """Discard the earlier outcome of a part that starts again."""
        self.result(part).unlink(missing_ok=True)

    def write(self, result: PartResult, part: Part) -> None:
        """Record how a part ended."""
        write_atomic(self.result(part), json.dumps(asdict(result), indent=2).encode())

    def read(self, part: Part) -> PartResult | None:
        """How a part ended; None if it has not ended."""
        return _read(self.result(part))

    def write_submitted(self, executor: str, jobs: Mapping[str, str]) -> None:
        """Record the ids of the jobs that were submitted, by part."""
        content = asdict(Submitted(executor, jobs))
        write_atomic(self.folder / SUBMITTED_FILE, json.dumps(content, indent=2).encode())

    def read_submitted(self, executor: str) -> Mapping[str, str]:
        """Ids of the jobs submitted to an executor, by part."""
        try:
            found = checked(Submitted, parse_json(read_text(self.folder / SUBMITTED_FILE)))
        except (OSError, PidError):
            return {}
        return found.jobs if found.executor == executor else {}


def jobs_folder(out: Path) -> Path:
    """The folder where the jobs for an output keep their logs.

    Example:
        >>> jobs_folder(Path("/data/results.parquet")).name
        '.results.parquet.jobs'
    """
    out = Path(os.path.realpath(out))
    return out.with_name(f".{out.name}.jobs")


def results(out: Path) -> Iterator[PartResult]:
    """How the parts of an output ended, latest last."""
    found = [path for path in jobs_folder(out).glob("*/part-*-of-*.json") if path.is_file()]
    for path in sorted(found, key=lambda path: path.stat().st_mtime_ns):
        if (result := _read(path)) is not None:
            yield result


def _read(path: Path) -> PartResult | None:
    try:
        return checked(PartResult, parse_json(read_text(path)))
    except (OSError, PidError):  # not there yet, or not ours
        return None
