"""A job: runs the command for its part in a separate process, and records how that ended."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pid_lvlm.data.cluster.records import PartResult, Reason, Records
from pid_lvlm.data.command.options import JSON_OPTION
from pid_lvlm.data.command.part import Part

SECONDS_BETWEEN_SIGNALS: Final = 0.5
SECONDS_TO_END: Final = 5.0
"""Seconds that a stopped command has to end; it needs less than two."""

LAUNCH: Final = str(Path(__file__).with_name("launch.py"))


@dataclass(frozen=True)
class PartJob:
    """One part of a command. submitit calls it in the job, and calls `checkpoint` when the job is preempted.

    Attributes:
        module: the command's module, run as `python -m MODULE`.
        arguments: the command's arguments, without the part.
        part: the part to run.
        runs: names of the runs in the part.
        records: where log and result go.
        cwd: where the command was entered; relative paths start there.
        environment: variables that differ from the job's environment; None removes one.
    """

    module: str
    arguments: tuple[str, ...]
    part: Part
    runs: tuple[str, ...]
    records: Records
    cwd: Path
    environment: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def command(self) -> list[str]:
        """The command line of the part."""
        return [sys.executable, "-m", self.module, *self.arguments, "--part", self.part.text, JSON_OPTION]

    def __call__(self) -> int:
        """Run the part; returns the command's exit code."""
        self.records.forget(self.part)
        with self.records.log(self.part).open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-I", "-S", LAUNCH, *self.command],
                cwd=self.cwd,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
            try:
                output = _output(child)
            except BaseException:  # Ctrl-C, or the job is queued again
                _stop(child)
                raise
        self.records.write(self._result(child.returncode, output), self.part)
        return child.returncode

    def checkpoint(self) -> Any:
        """Resubmit the same job: the command continues after what is already written."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    def _environment(self) -> dict[str, str]:
        changed = {name: value for name, value in self.environment.items() if value is not None}
        return {name: value for name, value in os.environ.items() if name not in self.environment} | changed

    def _result(self, code: int, output: bytes) -> PartResult:
        log = str(self.records.log(self.part))
        try:
            content = json.loads(output)
        except ValueError:
            content = {}
        failures = tuple(Reason(str(one["what"]), str(one["reason"])) for one in content.get("failures", ()))
        error = content.get("error")
        if error is None and not content and code:
            error = f"the command ended with {_ended(code)}"
        return PartResult(self.part.text, self.runs, code, error, failures, log, content)


def _ended(code: int) -> str:
    return f"exit code {code}" if code > 0 else f"the signal {signal.Signals(-code).name}"


def _output(child: "subprocess.Popen[bytes]") -> bytes:
    """Wait until a command has ended. Polls, so that Python checks for signals: a numpy thread may receive them."""
    while True:
        with suppress(subprocess.TimeoutExpired):
            return child.communicate(timeout=SECONDS_BETWEEN_SIGNALS)[0]


def _stop(child: "subprocess.Popen[bytes]") -> None:
    """End the command as Ctrl-C does, whatever signals arrive meanwhile."""
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    finally:
        signal.signal(signal.SIGINT, former)
